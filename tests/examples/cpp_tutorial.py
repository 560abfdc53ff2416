#!/usr/bin/env python3
"""gather, wait and async with print what their pages in asyncio's manual print, and what evloop adds to it."""
from support.programs import equal, main, run

GATHER = """\
Task A: Compute factorial(2), currently i=2...
Task B: Compute factorial(3), currently i=2...
Task C: Compute factorial(4), currently i=2...
Task A: factorial(2) = 2
Task B: Compute factorial(3), currently i=3...
Task C: Compute factorial(4), currently i=3...
Task B: factorial(3) = 6
Task C: Compute factorial(4), currently i=4...
Task C: factorial(4) = 24
[2, 6, 24]
the other one is cancelled
gather: connection refused
Task D: Compute factorial(2), currently i=2...
Task D: factorial(2) = 2
2, connection refused
"""

WAIT = """\
after a while: 3 done, 2 pending
the next: 1 done, 1 pending
1 4 9 16 25 
wait_for: timed out
"""

ASYNC_WITH = """\
connecting
select 1
select 2
closed after 2 queries
the body gave 2
connecting
select nothing
closed after 1 queries
the body threw: no such table
A has the lock
A gives it back
B has the lock
B gives it back
"""


def prints(backend):
    for name, expected in (("gather", GATHER), ("wait", WAIT), ("async_with", ASYNC_WITH)):
        equal(run(f"cpp/{name}", backend=backend), (0, expected, ""), f"{name}'s status, output and errors")


if __name__ == "__main__":
    main(prints)
