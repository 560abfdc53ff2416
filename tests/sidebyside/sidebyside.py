"""sidebyside.py <libevloop.so> [--seed N] [--programs N] [--scenario NAME]: the same on asyncio and on evloop.

Both run now, in this process; nothing that was recorded is compared. Exit status 1 when their traces differ in a way
that differences.py does not list."""
import argparse
import difflib
import faulthandler
import gc
import sys
import time
import warnings

import differences
import evl
import scenarios
import worlds


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


def compare(library, play, view):
    one = view(trace_of(worlds.AsyncioWorld, library, play))
    other = view(trace_of(worlds.EvloopWorld, library, play))
    return diff(one, other), len(one)


def run_scenarios(library, only):
    failures = events = count = 0
    for name, function, loose, since, before in scenarios.SCENARIOS:
        if only and name != only:
            continue
        if not since <= sys.version_info < before:
            print(f"  {name}: not with this version of asyncio")
            continue
        count += 1
        if loose:
            differences.differ(loose)
        found, lines = compare(library, function, differences.per_entity if loose else differences.exact)
        events += lines
        if found:
            failures += 1
            print(f"scenario {name}:", *found, sep="\n  ")
    print(f"{count} scenarios, {events} events, {failures} differ")
    return failures


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("library")
    parser.add_argument("--scenario")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    faulthandler.dump_traceback_later(5, exit=True)
    began = time.monotonic()
    library = evl.Library(arguments.library)
    failures = run_scenarios(library, arguments.scenario)
    print(f"{time.monotonic() - began:.1f} s")
    gc.collect()
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
