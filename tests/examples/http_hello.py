#!/usr/bin/env python3
"""The small HTTP servers, in C and in C++, serve curl, and stop by SIGINT and SIGTERM when what is under way is done."""
import os
import signal
import tempfile

from support.peers import peer
from support.programs import Program, connect, equal, main, receive_all

DONE = (0, "stopped: all done\n", "")
SIGNALS = signal.SIGINT, signal.SIGTERM


def curl(port, target, *options):
    return peer("curl", "-sS", "--max-time", "30", *options, f"http://127.0.0.1:{port}{target}")


def hello(backend):
    for name in ("http_hello", "cpp/http_hello"):
        for signo in SIGNALS:
            server = Program(name, backend=backend)
            equal(curl(server.port(), "/"), b"hello\n", "a page")
            equal(server.stop(signo), DONE, f"{name} after {signo!r}")


def bodies_and_files(backend):
    data = os.urandom(300000)
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        server = Program("http_hello", "0", file.name, backend=backend)
        port = server.port()
        equal(curl(port, "/echo", "-d", "a body"), b"a body", "an echo")
        equal(curl(port, "/file") == data, True, "a file")
        equal(curl(port, "/other", "-o", os.devnull, "-w", "%{http_code}"), b"404", "what is not there")
        equal(server.stop(), DONE, "the end")
    for path in ("/nonexistent", "/"):  # neither can be sent
        server = Program("http_hello", "0", path, backend=backend)
        equal(curl(server.port(), "/file", "-o", os.devnull, "-w", "%{http_code}"), b"404", path)
        equal(server.stop(), DONE, "the end")


def graceful(backend):
    """What was begun is finished after the signal."""
    server = Program("cpp/http_hello", backend=backend)
    with connect(server.port()) as client:
        client.sendall(b"GET /count HTTP/1.1\r\nHost: a\r\n\r\n")
        got = b""
        while b"1\n\r\n" not in got:
            got += client.recv(1 << 16)
        server.process.send_signal(signal.SIGTERM)
        got += receive_all(client)
    equal(got.endswith(b"10\n\r\n0\r\n\r\n"), True, "all of a response")
    equal(server.end(), DONE, "the end")


if __name__ == "__main__":
    main(hello, bodies_and_files, graceful)
