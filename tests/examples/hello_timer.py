#!/usr/bin/env python3
"""Three greetings, none of them early, and the program ends by itself."""
import re

from support.programs import equal, main, run


def greets(backend):
    status, out, errors = run("hello_timer", backend=backend)
    equal((status, errors), (0, ""), "status and errors")
    found = [(int(n), int(ms)) for n, ms in re.findall(r"^hello (\d) after (\d+) ms$", out, re.M)]
    equal([n for n, _ in found], [1, 2, 3], "the greetings")
    equal([ms >= n * 200 for n, ms in found], [True] * 3, f"none is early: {found}")


def an_unknown_backend(_):
    status, out, errors = run("hello_timer", backend="abacus")
    equal((status, out, errors), (1, "", "hello_timer: evl_loop_new: not supported\n"), "a backend nobody has")


if __name__ == "__main__":
    main(greets, an_unknown_backend)
