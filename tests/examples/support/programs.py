"""What the tests of the examples share: starting a program, waiting for what it prints, never for too long."""
import atexit
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time

LIMIT = 120  # seconds for a whole script; a sanitizer or a busy machine may make it slow, but not that slow


def directory():
    """argv[1]: the directory of the example programs, or the build directory above it."""
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} DIRECTORY-OF-THE-EXAMPLES")
    given = os.path.abspath(sys.argv[1])
    below = os.path.join(given, "examples")
    return below if os.path.isdir(below) else given


def backends():
    """The backend the caller asked for, or every one that works on any system of this kind."""
    asked = os.environ.get("EVLOOP_BACKEND")
    if asked:
        return [asked]
    return ["epoll" if sys.platform == "linux" else "kqueue", "select"]


def path(name):
    found = os.path.join(directory(), name)
    if not os.access(found, os.X_OK):
        sys.exit(f"{found} is not there")
    return found


def environment(backend):
    return dict(os.environ, EVLOOP_BACKEND=backend) if backend else None


class Program:
    """A running example, whose lines can be waited for. It does not outlive the script."""

    def __init__(self, name, *args, backend=None, stdin=subprocess.DEVNULL, fds=None):
        """fds: how many of them the program may have."""
        limited = ["sh", "-c", f"ulimit -n {fds} && exec \"$@\"", "sh"] if fds else []
        self.name = name
        self.process = subprocess.Popen([*limited, path(name), *args], env=environment(backend), stdin=stdin,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.pending = b""
        self.seen = []
        atexit.register(self.kill)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def line(self, pattern, limit=30):
        """Waits for a line that matches and answers the match."""
        deadline = time.monotonic() + limit
        fd = self.process.stdout.fileno()
        while True:
            while b"\n" in self.pending:
                line, self.pending = self.pending.split(b"\n", 1)
                self.seen.append(line.decode())
                match = re.search(pattern, self.seen[-1])
                if match:
                    return match
            left = deadline - time.monotonic()
            ready = select.select([fd], [], [], max(left, 0))[0]
            data = os.read(fd, 65536) if ready else b""
            if not data:
                self.kill()
                raise AssertionError(f"{self.name}: no line like {pattern!r}, only {self.seen}; stderr: "
                                     f"{self.process.stderr.read().decode()}")
            self.pending += data

    def port(self):
        return int(self.line(r"port (\d+)").group(1))

    def stop(self, signo=signal.SIGTERM):
        """Ends the program by a signal and answers its status, what else it printed, and its stderr."""
        self.process.send_signal(signo)
        return self.end()

    def end(self, limit=30):
        out, err = self.process.communicate(timeout=limit)
        return self.process.returncode, (self.pending + out).decode(), err.decode()


def run(name, *args, backend=None, limit=60, stdin=None):
    """Runs a program to its end: status, stdout, stderr."""
    done = subprocess.run([path(name), *args], env=environment(backend), input=stdin or b"", timeout=limit,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def connect(port, receive_buffer=None):
    s = socket.socket()
    if receive_buffer:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    s.settimeout(60)
    s.connect(("127.0.0.1", port))
    return s


def receive_all(s):
    parts = []
    while True:
        part = s.recv(1 << 16)
        if not part:
            return b"".join(parts)
        parts.append(part)


def receive_exactly(s, size):
    data = b""
    while len(data) < size:
        part = s.recv(size - len(data))
        if not part:
            raise AssertionError(f"the connection ended after {len(data)} of {size} bytes")
        data += part
    return data


def equal(got, expected, what):
    if got != expected:
        raise AssertionError(f"{what}: expected {expected!r}, got {got!r}")


def same_bytes(got, expected, what):
    """As equal, for data that nobody wants to see printed."""
    if got != expected:
        at = next((i for i, (a, b) in enumerate(zip(got, expected)) if a != b), min(len(got), len(expected)))
        raise AssertionError(f"{what}: {len(got)} of {len(expected)} bytes, and they differ from byte {at} on")


def limit_time():
    """By an exception, so that the programs that were started are ended too."""
    def over(_signo, _frame):
        raise AssertionError(f"not done after {LIMIT} seconds")

    signal.signal(signal.SIGALRM, over)
    signal.alarm(LIMIT)


def main(*tests):
    """Runs test(backend) for each test and backend, and exits as ctest expects it."""
    limit_time()
    for test in tests:
        for backend in backends():
            test(backend)
            print(f"{test.__name__} on {backend}: ok", flush=True)


def main_once(*tests):
    """The same for programs that choose their backends themselves."""
    limit_time()
    for test in tests:
        test()
        print(f"{test.__name__}: ok", flush=True)
