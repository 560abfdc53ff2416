#!/usr/bin/env python3
"""Commands in a row, as a shell would run them: what comes out, how each of them ended, and what was inherited."""
import os
import subprocess

from support.programs import Program, environment, equal, main, path, run


def as_a_shell(backend):
    text = "".join(f"{n % 7} line {n}\n" for n in range(1000))
    for commands in (["cat"], ["sort", "uniq -c", "wc -l"], ["cat", "cat", "cat", "cat", "md5sum"],
                     ["head -n 3", "tr a-z A-Z"]):
        shell = subprocess.run(" | ".join(commands), shell=True, input=text, capture_output=True, text=True, check=True)
        equal(run("pipeline", *commands, backend=backend, stdin=text.encode()), (0, shell.stdout, ""), commands)


def much_data(backend):
    status, out, errors = run("pipeline", "head -c 20000000 /dev/zero", "cat", "wc -c", backend=backend)
    equal((status, out.strip(), errors), (0, "20000000", ""), "20 MB")


def how_they_end(backend):
    equal(run("pipeline", "-v", "false", "true", backend=backend)[0], 0, "the last one counts")
    equal(run("pipeline", "true", "false", backend=backend)[0], 1, "the last one counts")
    status, out, errors = run("pipeline", "-v", "yes", "head -n 2", backend=backend)
    equal((status, out), (0, "y\ny\n"), "yes | head")
    equal(sorted(errors.splitlines()), ["head: exit 0", "yes: signal 13"], "who ended how")
    # The children's SIGPIPE is as it should be, also if their parent was started without.
    done = subprocess.run([path("pipeline"), "-v", "yes", "head -n 1"], env=environment(backend), restore_signals=False,
                          capture_output=True, text=True, timeout=60, check=False)
    equal(sorted(done.stderr.splitlines()), ["head: exit 0", "yes: signal 13"], "with SIGPIPE ignored")


def what_cannot_be_started(backend):
    status, out, errors = run("pipeline", "yes", "no-such-command", "cat", backend=backend)
    equal((status, out, errors), (127, "", "pipeline: no-such-command: no such file or directory\n"), "not found")
    equal(run("pipeline", backend=backend)[0], 2, "no command")
    equal(run("pipeline", "", backend=backend)[0], 2, "an empty command")


def ended_early(backend):
    status, _, errors = run("pipeline", "-v", "-t", "0.2", "sleep 1000", backend=backend)
    equal((status, errors), (143, "pipeline: the time is up\nsleep: signal 15\n"), "the time")
    equal(run("pipeline", "-t", "1000", "true", backend=backend), (0, "", ""), "in time")


def a_signal_is_passed_on(backend):
    ours, others = os.pipe()  # stays open: an end of file would end cat too, and sooner
    program = Program("pipeline", "-v", "cat /proc/version /dev/stdin", backend=backend, stdin=ours)
    program.line("Linux")
    status, _, errors = program.stop()
    os.close(ours)
    os.close(others)
    equal((status, errors), (143, "cat: signal 15\n"), "SIGTERM")


if __name__ == "__main__":
    main(as_a_shell, much_data, how_they_end, what_cannot_be_started, ended_early, a_signal_is_passed_on)
