#!/usr/bin/env python3
"""Every worker's result arrives, once, and the loop was free while they worked."""
from support.programs import equal, main, run

RESULTS = ["from      0 to  250000: 22044 primes", "from 250000 to  500000: 19494 primes",
           "from 500000 to  750000: 18700 primes", "from 750000 to 1000000: 18260 primes"]


def hears_of_all(backend):
    status, out, errors = run("worker_post", backend=backend)
    equal((status, errors), (0, ""), "status and errors")
    lines = out.splitlines()
    equal(sorted(lines[:-1]), RESULTS, "the results, in whatever order")
    equal(lines[-1], "78498 primes below 1000000; the loop was free meanwhile", "the sum")


if __name__ == "__main__":
    main(hears_of_all)
