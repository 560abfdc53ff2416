#!/usr/bin/env python3
"""A host with a poll loop of its own: its input and the guest's timer are both served, in either way of embedding."""
import subprocess

from support.programs import Program, equal, main, run

TICKS = [f"guest: tick {i}" for i in range(1, 6)] + ["done after 5 ticks"]


def ticks(backend):
    for args in ([], ["-r"]):
        way = "rows" if args or backend == "select" else "its fd"
        status, out, errors = run("embed_poll", *args, backend=backend)
        equal((status, errors), (0, ""), "status and errors")
        lines = out.splitlines()
        equal(lines[0], f"hosting {backend} by {way}", "the first line")
        equal([line for line in lines[1:] if not line.startswith("host:")], TICKS, "the guest's lines")
        equal([line for line in lines if line.startswith("host:")], ["host: end of input"], "the host's lines")


def both_are_served(backend):
    """Input is given only after a tick has come, and ticks go on after it."""
    for args in ([], ["-r"]):
        program = Program("embed_poll", *args, backend=backend, stdin=subprocess.PIPE)
        program.line("guest: tick 1")
        program.process.stdin.write(b"hello\n")
        program.process.stdin.flush()
        program.line("host: 6 bytes of input")
        program.process.stdin.close()
        program.process.stdin = None
        program.line("done after 5 ticks")
        equal([line for line in program.seen if line.startswith("guest:")], TICKS[:5], "the guest's lines")
        equal("host: end of input" in program.seen, True, "the end of the input was seen")
        equal(program.end(), (0, "", ""), "the end")


if __name__ == "__main__":
    main(ticks, both_are_served)
