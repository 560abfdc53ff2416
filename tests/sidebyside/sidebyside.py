"""sidebyside.py <libevloop.so> [--tasks PROGRAM] [--scenario NAME | --seed N]: the same on asyncio and on evloop.

Both run now, in this process; nothing that was recorded is compared. Exit status 1 when their traces differ in a way
that differences.py does not list."""
import argparse
import difflib
import faulthandler
import functools
import subprocess
import sys
import textwrap
import time
import warnings

import differences
import evl
import net_asyncio
import net_evloop
import net_scenarios
import programs
import scenarios
import task_scenarios
import worlds


WORLDS = (worlds.AsyncioWorld, worlds.EvloopWorld)
NETS = (net_asyncio.AsyncioNet, net_evloop.EvloopNet)


def trace_of(kind, library, play):
    world = kind(library)
    try:
        play(world)
    except Exception as error:
        world.emit("DRIVER", f"{type(error).__name__}: {error}")
        if not isinstance(error, (evl.Refused, KeyError)):
            world.error = error
    finally:
        world.close()
    return world.trace


def diff(expected, actual):
    return list(difflib.unified_diff(expected, actual, "asyncio", "evloop", lineterm="", n=6))


def compare(library, play, view, kinds=WORLDS):
    one, other = (view(trace_of(kind, library, play)) for kind in kinds)
    return diff(one, other), len(one)


def compare_task(program, name):
    """One of task_scenarios, with the C++ program's."""
    function, loose = task_scenarios.SCENARIOS[name]
    lines = task_scenarios.run(function)
    other = subprocess.run([program, name], capture_output=True, text=True, timeout=30)
    others = other.stdout.splitlines() + ([f"exit status {other.returncode}"] if other.returncode else [])
    if loose:
        differences.differ(loose)
        lines, others = (sorted(some, key=lambda line: line.partition(":")[0]) for some in (lines, others))
    return diff(lines, others), len(lines)


def all_scenarios(library, program):
    """Of each: its name, what compares it, and whether this version of CPython is one for it."""
    for name in task_scenarios.SCENARIOS if program else ():
        yield name, functools.partial(compare_task, program, name), True
    for name, function, loose, since, before in scenarios.SCENARIOS:
        def loop(function=function, loose=loose):
            if loose:
                differences.differ(loose)
            return compare(library, function, differences.per_entity if loose else differences.exact)
        yield name, loop, since <= sys.version_info < before
    for name, function, suits in net_scenarios.SCENARIOS:
        def net(function=function):
            return compare(library, lambda world: world.play(function), differences.each_alone, NETS)
        yield name, net, suits


def run_scenarios(library, program, only):
    failures = events = count = 0
    for name, compared, suits in all_scenarios(library, program):
        if only and name != only:
            continue
        if not suits:
            print(f"  {name}: not with this version of asyncio")
            continue
        count += 1
        found, lines = compared()
        events += lines
        if found:
            failures += 1
            print(f"scenario {name}:", *found, sep="\n  ")
    print(f"{count} scenarios, {events} events, {failures} differ")
    return failures


def view_of_program(exact):
    if exact:
        return differences.exact
    return lambda trace: differences.same_cancel(differences.per_entity(trace))


def run_program(library, seed):
    generator = programs.Generator(seed)
    steps = generator.program()
    exact, view = generator.exact, view_of_program(generator.exact)

    def run(some):
        return compare(library, programs.player(some, exact), view)

    found, lines = run(steps)
    if found:
        steps = programs.shrink(steps, lambda fewer: bool(run(fewer)[0]))
        print(f"program {seed} (again: --seed {seed}), shrunk:", *steps, *run(steps)[0], sep="\n  ")
    return bool(found), lines


def run_programs(library, seeds):
    failures = events = count = 0
    for seed in seeds:
        found, lines = run_program(library, seed)
        count += 1
        events += lines
        failures += found
        if failures == 5:
            print("five programs differ: the rest is not run")
            break
    print(f"{count} programs of {programs.STEPS} steps from seed {seeds[0]} on, {events} events, {failures} differ")
    return failures


def print_differences():
    print(f"{len(differences.DIFFERENCES)} differences that are intended, and how often they were taken into account:")
    for name, (why, how) in differences.DIFFERENCES.items():
        count = differences.used[name]
        print(textwrap.fill(f"{name}{f' ({count})' if count else ''}: {why}. Here: {how}.", 118, initial_indent="  ",
                            subsequent_indent="    "))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("library")
    parser.add_argument("--tasks", metavar="PROGRAM", help="tasks/*.cpp, compiled; without it they are left out")
    parser.add_argument("--scenario", help="only the one of this name")
    parser.add_argument("--seed", type=int, help="only the program of this seed")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--programs", type=int, default=1000, help="how many programs")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    faulthandler.dump_traceback_later(50 + arguments.programs // 100, exit=True)
    began = time.monotonic()
    library = evl.Library(arguments.library)
    failures = 0
    if arguments.seed is None:
        failures += run_scenarios(library, arguments.tasks, arguments.scenario)
    if arguments.seed is not None:
        failures += run_programs(library, [arguments.seed])
    elif arguments.scenario is None:
        failures += run_programs(library, range(arguments.first, arguments.first + arguments.programs))
    print_differences()
    print(f"CPython {sys.version.split()[0]}, {library.describe()}: {time.monotonic() - began:.1f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
