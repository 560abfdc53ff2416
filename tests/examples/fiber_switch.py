#!/usr/bin/env python3
"""greenlet's example prints what greenlet prints."""
from support.programs import equal, main, run


def prints(backend):
    equal(run("fiber_switch", backend=backend), (0, "12\n56\n34\n78\n", ""), "what it prints")


if __name__ == "__main__":
    main(prints)
