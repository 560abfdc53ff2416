#!/usr/bin/env python3
"""Every item is worked off once, before the consumers are told to stop."""
from support.programs import equal, main, run


def check_run(backend, producers, consumers, items, args):
    status, out, errors = run("producer_consumer", *args, backend=backend)
    equal((status, errors), (0, ""), "status and errors")
    lines = out.splitlines()
    total = producers * items
    value = sum(p * 1000 + i for p in range(1, producers + 1) for i in range(items))
    equal(lines[0], "all items are worked off", "join comes before the end of the consumers")
    equal(sorted(lines[1:-1]), sorted(f"consumer {i} stops" for i in range(1, consumers + 1)), "the consumers")
    equal(lines[-1], f"{total} of {total} items, their sum is {value}", "the sum")


def by_default(backend):
    check_run(backend, 2, 3, 10, [])


def other_numbers(backend):
    check_run(backend, 1, 1, 1, ["1", "1", "1"])
    check_run(backend, 50, 2, 7, ["50", "2", "7"])
    check_run(backend, 2, 50, 7, ["2", "50", "7"])


def usage(backend):
    for args in (["0"], ["1", "x"], ["1", "1", "1", "1"]):
        status, out, errors = run("producer_consumer", *args, backend=backend)
        equal((status, out, "usage: producer_consumer" in errors), (2, "", True), f"usage with {args}")


if __name__ == "__main__":
    main(by_default, other_numbers, usage)
