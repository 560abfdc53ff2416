#!/usr/bin/env python3
"""cat copies terminals, pipes, files and devices, and leaves their flags as they were."""
import fcntl
import os
import pty
import random
import signal
import subprocess
import tempfile
import termios
import time

from support.peers import peer
from support.programs import environment, equal, main, path, same_bytes

DATA = random.Random(7).randbytes(3 << 20)


def cat(backend, *args, limit=60, **streams):
    streams.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run([path("cat"), *args], env=environment(backend), timeout=limit, stderr=subprocess.PIPE,
                          check=False, **streams)


def is_blocking(fd):
    return fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK == 0


def files_and_pipes(backend):
    with tempfile.TemporaryDirectory() as directory:
        names = [os.path.join(directory, name) for name in ("a", "empty", "out")]
        for name, data in zip(names, (DATA, b"", b"")):
            with open(name, "wb") as file:
                file.write(data)
        done = cat(backend, *names[:2], names[0], stdout=subprocess.PIPE)
        equal((done.returncode, done.stderr), (0, b""), "files to a pipe")
        same_bytes(done.stdout, DATA * 2, "files to a pipe")
        with open(names[0], "rb") as source, open(names[2], "wb") as out:
            equal(cat(backend, stdin=source, stdout=out).returncode, 0, "a file to a file")
        with open(names[2], "rb") as file:
            same_bytes(file.read(), DATA, "a file to a file")
        done = subprocess.run([path("cat"), names[0], "-", "/dev/null"], env=environment(backend), input=b"the pipe",
                              stdout=subprocess.PIPE, timeout=60, check=True)
        same_bytes(done.stdout, DATA + b"the pipe", "a file, a pipe and /dev/null to a pipe")


def dev_null(backend):
    with open("/dev/null", "r+b", buffering=0) as null:
        done = cat(backend, stdin=null, stdout=subprocess.PIPE)
        equal((done.returncode, done.stdout, done.stderr), (0, b"", b""), "from /dev/null")
        done = subprocess.run([path("cat")], env=environment(backend), input=DATA, stdout=null, timeout=60, check=True)
        equal(done.returncode, 0, "to /dev/null")


def a_shared_pipe(backend):
    """Both ends stay blocking for those who share them, while cat runs and afterwards."""
    read_in, write_in = os.pipe()
    read_out, write_out = os.pipe()
    process = subprocess.Popen([path("cat")], env=environment(backend), stdin=read_in, stdout=write_out)
    os.write(write_in, b"ping")
    equal(os.read(read_out, 100), b"ping", "through cat")
    equal((is_blocking(read_in), is_blocking(write_out)), (True, True), "while it runs")
    os.close(write_in)
    equal(process.wait(60), 0, "its end")
    equal((is_blocking(read_in), is_blocking(write_out)), (True, True), "afterwards")
    for fd in (read_in, read_out, write_out):
        os.close(fd)


def a_terminal(backend):
    """Line by line, up to ^D; the shell that shares the terminal finds it blocking. So does one whose cat is ended."""
    for ending in (b"\4", signal.SIGTERM):
        master, slave = pty.openpty()
        mode = termios.tcgetattr(slave)
        mode[3] &= ~termios.ECHO
        mode[1] &= ~termios.OPOST
        termios.tcsetattr(slave, termios.TCSANOW, mode)
        process = subprocess.Popen([path("cat")], env=environment(backend), stdin=slave, stdout=slave, stderr=slave)
        for line in (b"hello\n", b"\n", b"two\nlines\n"):
            os.write(master, line)
            answer = b""
            while len(answer) < len(line):
                answer += os.read(master, 100)
            equal(answer, line, "a line")
        equal(is_blocking(slave), True, "while it runs")
        if ending == b"\4":
            os.write(master, ending)
            equal(process.wait(60), 0, "the end by ^D")
        else:
            process.send_signal(ending)
            equal(process.wait(60), 1, "the end by a signal")
        equal(is_blocking(slave), True, "afterwards")
        os.close(master)
        os.close(slave)


def a_slow_reader(backend):
    """Nothing is lost at the end, however late it is read."""
    read_out, write_out = os.pipe()
    process = subprocess.Popen([path("cat")], env=environment(backend), stdin=subprocess.PIPE, stdout=write_out)
    os.close(write_out)
    process.stdin.write(b"x" * 150000)
    process.stdin.close()
    got = 0
    while part := os.read(read_out, 10000):
        got += len(part)
        time.sleep(0.01)
    equal((got, process.wait(60)), (150000, 0), "all of it")
    os.close(read_out)


def who_has_gone(backend):
    read_out, write_out = os.pipe()
    os.close(read_out)
    done = subprocess.run([path("cat")], env=environment(backend), input=DATA, stdout=write_out, timeout=60,
                          stderr=subprocess.PIPE, check=False)
    os.close(write_out)
    equal((done.returncode, done.stderr), (1, b"cat: standard output: broken pipe\n"), "a reader that has gone")


def a_file_that_is_not_there(backend):
    done = cat(backend, "/nonexistent", "/dev/null", "/etc", stdout=subprocess.PIPE)
    equal((done.returncode, done.stdout), (1, b""), "status and output")
    equal(done.stderr, b"cat: /nonexistent: no such file or directory\ncat: /etc: is a directory\n", "the errors")


def a_socket(backend):
    """As a server's child, its input and output one socket: socat runs it."""
    command = f"EXEC:'env EVLOOP_BACKEND={backend} {path('cat')}'"
    equal(peer("socat", "-t60", "-", command, stdin=b"over a socket\n"), b"over a socket\n", "by socat")


if __name__ == "__main__":
    main(files_and_pipes, dev_null, a_shared_pipe, a_terminal, a_slow_reader, who_has_gone, a_file_that_is_not_there,
         a_socket)
