"""outs.py: what a function makes is NULL when it fails.

Every public C function that stores what it makes through a pointer (`evl_x **out`) has a row in tests/contract/out_test.cpp."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def without_comments(text):
    return re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.DOTALL)


def makers():
    for header in sorted((ROOT / "include" / "evloop").glob("*.h")):
        for name, parameters in re.findall(r"EVL_API[^;(]*?(\w+)\(([^;]*)\);", without_comments(header.read_text())):
            if re.search(r"\bevl_\w+ \*\*outs?\b", parameters):
                yield name


test = (ROOT / "tests" / "contract" / "out_test.cpp").read_text()
functions = sorted(makers())
missing = [name for name in functions if not re.search(rf"\b{name}\(", test)]
problems = [f"{name} has no row in tests/contract/out_test.cpp" for name in missing]
if len(functions) < 30:
    problems.append(f"only {len(functions)} functions were found in include/evloop")
sys.exit("\n".join(problems) if problems else 0)
