"""waiting.py: whatever can be waited for is tested waiting.

Every public C function that starts an operation (it takes an evl_op * and is not one of op.h's own) has a row in the
table of tests/contract/op_rows.hpp, from which tests/contract/op_states_test.cpp makes a case for each state."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
problems = []

# Of an operation itself, not something that it waits for.
OF_OPERATIONS = {"evl_op_init", "evl_op_cancel", "evl_op_close", "evl_op_active", "evl_op_result", "evl_op_deadline"}


def without_comments(text):
    return re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.DOTALL)


def c_functions():
    for header in sorted((ROOT / "include" / "evloop").glob("*.h")):
        for name, parameters in re.findall(r"EVL_API[^;(]*?(\w+)\(([^;]*)\);", without_comments(header.read_text())):
            if re.search(r"\bevl_op\s*\*", parameters) and name not in OF_OPERATIONS:
                yield name


def check_c():
    table = without_comments((ROOT / "tests" / "contract" / "op_rows.hpp").read_text())
    rows = set(re.findall(r'\{\s*"(evl_\w+)[^"]*",\s*make<\w+>\s*\}', table))
    functions = set(c_functions())
    if not functions:
        problems.append("no function that starts an operation was found in include/evloop")
    for name in sorted(functions - rows):
        problems.append(f"{name} starts an operation and has no row in tests/contract/op_rows.hpp")
    for name in sorted(rows - functions):
        problems.append(f"tests/contract/op_rows.hpp has a row for {name}, which starts no operation")


check_c()
sys.exit("\n".join(problems) if problems else 0)
