#!/usr/bin/env python3
"""Applies mutants to a copy of the tree: the test of each one's number must fail. The seed is printed."""
import argparse
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).parent


class Layer:
    """What is mutated, by which list, and the tests that have to notice."""

    def __init__(self, listing, sources, tests):
        self.listing, self.sources, self.tests = HERE / listing, pathlib.Path(sources), tests


C = Layer("mutants", "core", "contract")
CPP = Layer("mutants-cpp", "cpp/evloop", "cpp")


def read_mutants(layer):
    lines = [line for line in layer.listing.read_text().splitlines() if line and not line.startswith("#")]
    return [[part.replace("\\n", "\n") for part in line.split(" | ")] for line in lines]


def copy_tree(layer, to):
    names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, check=True,
                           capture_output=True, text=True).stdout.split("\0")
    for name in filter(None, names):
        source = ROOT / name
        if not source.is_file() or is_another_test(layer, source):
            continue
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, to / name)


def is_another_test(layer, path):
    """Of the tests that are compiled the copy has those only that a mutant is for."""
    parts = path.relative_to(ROOT).parts
    return parts[:2] == ("tests", layer.tests) and path.name.endswith("_test.cpp") and "Asyncio_" not in path.read_text()


def build(layer, tree):
    return subprocess.run(["cmake", "--build", "build", "--target", layer.tests], cwd=tree, capture_output=True,
                          text=True)


def passes(layer, tree, pattern, seconds):
    env = {**os.environ, "EVLOOP_BACKEND": "epoll", "EVLOOP_TEST_SINK": "callbacks"}
    command = [f"build/tests/{layer.tests}", f"--gtest_filter=*Asyncio_{pattern}"]
    try:
        done = subprocess.run(command, cwd=tree, env=env, capture_output=True, text=True, timeout=seconds,
                              errors="replace")
    except subprocess.TimeoutExpired:
        return False
    if "Running 0 tests" in done.stdout:
        sys.exit(f"Asyncio_{pattern}: no such test")
    return done.returncode == 0


def misfits(layer, mutants):
    """Those whose old text is not once in its file, told for all of them whichever are to be applied."""
    for number, file, old, _ in mutants:
        count = (ROOT / layer.sources / file).read_text().count(old)
        if count != 1:
            yield f"{number} {file}: the old text is there {count} times"


def numbers(layer, tree):
    listed = subprocess.run([f"build/tests/{layer.tests}", "--gtest_list_tests", "--gtest_filter=*Asyncio_*"], cwd=tree,
                            check=True, capture_output=True, text=True).stdout
    return sorted(set(re.findall(r"Asyncio_(\d{3})_", listed)))


def others(layer, tree, number):
    """What else is red, each number by itself: a mutant may crash or hang."""
    red = [n for n in numbers(layer, tree) if n != number and not passes(layer, tree, f"{n}_*", 2)]
    return f"; so do {' '.join(red)}" if red else "; alone"


def fate(layer, tree, number, file, old, new, seconds, look_around):
    """What became of a mutant: "caught", or what is wrong with it."""
    path = tree / layer.sources / file
    text = path.read_text()
    path.write_text(text.replace(old, new))
    try:
        if build(layer, tree).returncode != 0:
            return "does not compile"
        if passes(layer, tree, f"{number}_*", seconds):
            return "SURVIVED"
        return "caught" + (others(layer, tree, number) if look_around else "")
    finally:
        path.write_text(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", nargs="?", type=int, default=5, help="how many, at random")
    parser.add_argument("--cpp", action="store_true", help="of the C++ layer, instead of the C library")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--only", default="", help="numbers, separated by commas")
    parser.add_argument("--others", action="store_true", help="say which other numbers notice")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--seconds", type=float, default=20, help="after which a test counts as failed")
    args = parser.parse_args()
    layer = CPP if args.cpp else C
    mutants = read_mutants(layer)
    bad = [m for m in mutants if len(m) != 4 or not re.fullmatch(r"\d{3}", m[0])]
    if bad:
        sys.exit(f"not a mutant: {bad[0]}")
    lost = list(misfits(layer, mutants))
    if lost:
        sys.exit("\n".join(lost))
    if args.only:
        mutants = [m for m in mutants if m[0] in args.only.split(",")]
    elif not args.all:
        print(f"seed {args.seed}")
        mutants = random.Random(args.seed).sample(mutants, min(args.count, len(mutants)))

    with tempfile.TemporaryDirectory(prefix="evloop-mutants-") as directory:
        tree = pathlib.Path(directory)
        copy_tree(layer, tree)
        subprocess.run(["cmake", "-S", ".", "-B", "build", "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Debug",
                        "-DEVLOOP_BUILD_EXAMPLES=OFF"], cwd=tree, check=True, capture_output=True)
        built = build(layer, tree)
        if built.returncode != 0:
            sys.exit(built.stdout + built.stderr)
        if not passes(layer, tree, "*", 300):
            sys.exit("the tests fail without a mutant")
        wrong = 0
        for mutant in mutants:
            result = fate(layer, tree, *mutant, args.seconds, args.others)
            wrong += not result.startswith("caught")
            print(f"{mutant[0]} {mutant[1]}: {result}", flush=True)
    print(f"{len(mutants)} mutants, {len(mutants) - wrong} caught, {wrong} not")
    return 1 if wrong else 0


sys.exit(main())
