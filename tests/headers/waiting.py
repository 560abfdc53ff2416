"""waiting.py: whatever can be waited for is tested waiting.

Every public C function that starts an operation (it takes an evl_op * and is not one of op.h's own) has a row in the
table of tests/contract/op_rows.hpp, from which tests/contract/op_states_test.cpp makes a case for each state.

In C++, every function that returns something to await has rows in the tables `awaits` of tests/cpp/matrix_test.cpp and
tests/cpp/world_matrix_test.cpp: at least as many as it returns different types, each with a co_await of it."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
problems = []

# Of an operation itself, not something that it waits for.
OF_OPERATIONS = {"evl_op_init", "evl_op_cancel", "evl_op_close", "evl_op_active", "evl_op_result", "evl_op_deadline",
                 "evl_op_timeout", "evl_op_decline"}


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


# Functions of the C++ layer whose return type does not say that it is awaited (next() is that of as_completed too).
ALSO_AWAITED = {
    "acquire": 1, "acquire_shared": 1, "communicate": 1, "gather": 1, "get": 1, "join": 1, "map": 1, "next": 4, "put": 1,
    "readable": 1, "receive": 1, "run_in_executor": 1, "scoped": 1, "scoped_shared": 1, "send": 1, "shield": 1, "take": 1,
    "timeout": 1, "wait": 1, "wait_future": 1, "wait_signal": 1, "when_any": 1, "with_group": 1, "yield": 1,
}


def cpp_functions():
    """Of each name, how many different types there are to await."""
    types = {}
    for header in sorted((ROOT / "cpp" / "evloop").glob("*.hpp")):
        text = without_comments(header.read_text())
        text = re.sub(r"namespace detail \{.*?\n\} // namespace detail|namespace detail \{.*?\n\}\n", " ", text,
                      flags=re.DOTALL)
        for kind, name in re.findall(r"\b(\w+_awaitable|task)\b(?:<[^;{}()]*>)?\s+(\w+)\(", text):
            if name not in ("get_return_object", "get_return_object_on_allocation_failure"):
                types.setdefault(name, set()).add(kind)
    return {**{name: len(kinds) for name, kinds in types.items()},
            **{name: max(least, len(types.get(name, ()))) for name, least in ALSO_AWAITED.items()}}


def rows_of(path):
    text = without_comments(path.read_text())
    table = re.search(r"const Await awaits\[\] = \{(.*?)\n\};", text, re.DOTALL).group(1)
    return re.split(r'\n    (?=\{\s*")', table)


def check_cpp():
    rows = [row for name in ("matrix_test.cpp", "world_matrix_test.cpp")
            for row in rows_of(ROOT / "tests" / "cpp" / name)]
    functions = cpp_functions()
    if len(functions) <= len(ALSO_AWAITED):
        problems.append("no function that returns something to await was found in cpp/evloop")
    for name, least in sorted(functions.items()):
        found = sum(bool(re.search(rf"co_await[^;]*\b{name}\(", row)) for row in rows)
        if found < least:
            problems.append(f"{name}() returns {least} types to await and has {found} rows in tests/cpp/*matrix_test.cpp")


check_c()
check_cpp()
sys.exit("\n".join(problems) if problems else 0)
