#!/usr/bin/env python3
"""The ladder in small: every row is right, failures are failures, and no process is left behind in any case."""
import os
import pty
import re
import signal
import subprocess
import sys
import tempfile
import time

from support.programs import equal, main_once, path, run

STYLES = ["blocking", "processes", "threads", "spinning", "select"]
if sys.platform == "linux":
    STYLES += ["epoll", "evloop/epoll", "evloop/select", "futures/epoll", "futures/select",
               "streams/epoll", "streams/select", "coroutines/epoll", "coroutines/select"]
else:
    STYLES += ["evloop/kqueue", "evloop/select", "futures/kqueue", "futures/select", "streams/kqueue", "streams/select",
               "coroutines/kqueue", "coroutines/select"]
SMALL = ["-n", "3", "-d", "5", "-t", "200"]
ROW = re.compile(r"(\S+) +(\d+\.\d\d) +(\d+\.\d) +(\d+) +(\d+) +(\d+) +(\d+)  (yes|NO) *(#*)")


def table(out):
    return [match.groups() for match in map(ROW.fullmatch, out.splitlines()) if match]


def check_rows(out, count):
    rows = table(out)
    equal([row[0] for row in rows], STYLES, "the styles")
    equal([row[7] for row in rows], ["yes"] * len(rows), "every row is right")
    equal(len({row[6] for row in rows}), 1, f"every style fetched the same bytes: {rows}")
    for name, wall, _, reads, waits, *_ in rows:
        if float(wall) < 0.1 or int(reads) < count:
            raise AssertionError(f"{name} cannot have done the job in {wall} s and {reads} reads")
        if name in STYLES[4:] and int(waits) == 0:
            raise AssertionError(f"{name} never waited")
    return rows


def by_default():
    """The repository's own texts."""
    status, out, errors = run("ladder/ladder", *SMALL)
    equal((status, errors), (0, ""), "status and errors")
    rows = check_rows(out, 3)
    if float(rows[0][1]) <= min(float(row[1]) for row in rows[1:]):
        raise AssertionError(f"three slow servers at once should be faster than one after another: {rows}")
    equal(rows[0][8], "#" * 30, "the bar of the slowest")
    equal("\033" in out, False, "nothing for a terminal goes into a pipe")


def files_given():
    with tempfile.TemporaryDirectory() as directory:
        names = [os.path.join(directory, f"text {i}") for i in range(3)]
        for i, name in enumerate(names):
            with open(name, "wb") as file:
                file.write(os.urandom(30000 + i))
        status, out, errors = run("ladder/ladder", "-t", "200", *names)
        equal((status, errors), (0, ""), "status and errors")
        equal(out.splitlines()[0].startswith("3 texts of 30000 to 30002 bytes"), True, out.splitlines()[0])
        equal({row[6] for row in check_rows(out, 3)}, {"90003"}, "the bytes")

        empty = os.path.join(directory, "empty")
        open(empty, "wb").close()
        for bad, why in ((empty, "there is nothing in it"), (directory + "/none", "No such file or directory")):
            status, out, errors = run("ladder/ladder", names[0], bad)
            equal((status, out, errors), (2, "", f"ladder: {bad}: {why}\n"), "a text that cannot be served")


def usage():
    for args in (["-n", "0"], ["-d", "x"], ["-t", ""], ["-x"], ["-n", "1000"]):
        status, out, errors = run("ladder/ladder", *args)
        equal((status, out, "usage: ladder" in errors), (2, "", True), f"usage with {args}")


def members(session):
    """The processes of a session with their parents, zombies included."""
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended meanwhile
        if int(fields[3]) == session:
            found[int(name)] = int(fields[1])
    return found


def start(*args):
    program = subprocess.Popen([path("ladder/ladder"), *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               start_new_session=True)
    equal(program.stdout.readline().startswith(b"3 texts"), True, "the first line")
    return program


def wait_until(done, what):
    deadline = time.monotonic() + 30
    while not done():
        if time.monotonic() > deadline:
            raise AssertionError(what)
        time.sleep(0.01)


def interrupted():
    """By a signal it ends everything itself; killed outright, it is followed by everything."""
    for signo in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        for _ in range(3):
            program = start("-n", "3", "-t", "3000")
            wait_until(lambda: len(members(program.pid)) >= 5, "the servers and a style are not there")
            program.send_signal(signo)
            _, errors = program.communicate(timeout=30)
            if signo != signal.SIGKILL:
                equal(program.returncode, 1, "the status")
                equal(errors, b"ladder: blocking: was interrupted\n", "the reason")
                equal(members(program.pid), {}, "nothing is left")
            wait_until(lambda: not members(program.pid), f"left behind: {members(program.pid)}")


def interrupted_with_processes_of_its_own():
    """Those of the style that forks have no parent left to wait for them."""
    program = start("-n", "3", "-t", "500")
    wait_until(lambda: len(members(program.pid)) >= 8, "the processes of the style are not there")
    program.send_signal(signal.SIGTERM)
    _, errors = program.communicate(timeout=30)
    equal((program.returncode, errors), (1, b"ladder: processes: was interrupted\n"), "status and reason")
    equal(members(program.pid), {}, "nothing is left")


def a_server_that_dies():
    program = start("-n", "3", "-t", "500")
    groups = {}

    def a_style_is_running():  # it has a process group of its own
        groups.clear()
        groups.update({pid: os.getpgid(pid) for pid in members(program.pid)})
        return set(groups.values()) > {program.pid}

    wait_until(a_style_is_running, "no style is running")
    servers = [pid for pid, group in groups.items() if group == program.pid and pid != program.pid]
    equal(len(servers), 3, "the servers")
    os.kill(max(servers), signal.SIGKILL)
    out, errors = program.communicate(timeout=60)
    equal(program.returncode, 1, "the status")
    rows = table(out.decode())
    equal([(row[0], row[7]) for row in rows], [(name, "NO") for name in STYLES], "no row claims to be right")
    lines = errors.decode().splitlines()
    equal([line.split(": ")[1] for line in lines], STYLES, "every style is named")
    equal(members(program.pid), {}, "nothing is left")


def on_a_terminal():
    master, slave = pty.openpty()
    program = subprocess.Popen([path("ladder/ladder"), *SMALL], stdout=slave, stderr=subprocess.PIPE)
    os.close(slave)
    shown = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # the other side is closed
            break
        shown += part
    _, errors = program.communicate(timeout=60)
    equal((program.returncode, errors), (0, b""), "status and errors")
    text = shown.decode().replace("\r\n", "\n")
    check_rows(text, 3)
    for name in STYLES:
        if not re.search(rf"\r\033\[K{name} +\d\.\d s \|[= ]+\|[= ]+\|[= ]+\|", text):
            raise AssertionError(f"no progress of {name}: {text!r}")
        if not re.search(rf"\r\033\[K{name} +\d\.\d s done\n", text):
            raise AssertionError(f"no end of {name}: {text!r}")


if __name__ == "__main__":
    tests = [by_default, files_given, usage, on_a_terminal]
    if os.path.exists("/proc/self/stat"):
        tests += [interrupted, interrupted_with_processes_of_its_own, a_server_that_dies]
    main_once(*tests)
