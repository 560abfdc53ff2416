#!/usr/bin/env python3
"""Processes and threads that share a port: every connection is served by one of them, and a dead one is replaced."""
import os
import re
import signal
import time

from support.peers import peer
from support.programs import Program, connect, equal, main, receive_all, receive_exactly


def greeting(client):
    line = b""
    while not line.endswith(b"\n"):
        line += receive_exactly(client, 1)
    return line.decode().strip()


def talk(client, text):
    client.sendall(text)
    equal(receive_exactly(client, len(text)), text, "the client's own words")


def a_loop_per_thread(backend):
    server = Program("threads", "3", backend=backend)
    port = server.port()
    clients = [connect(port) for _ in range(60)]
    served = {}
    for client in clients:
        served.setdefault(greeting(client), []).append(client)
        talk(client, b"hello")
    equal(set(served) <= {"thread 1", "thread 2", "thread 3"} and len(served) > 1, True, f"who serves: {list(served)}")
    equal(peer("nc", "-N", "127.0.0.1", str(port), stdin=b"x\n").endswith(b"\nx\n"), True, "nc")
    status, out, errors = server.stop()
    counts = [int(n) for n in re.findall(r"served (\d+) connections", out)]
    equal((status, sum(counts), len(counts), errors), (0, 61, 3, ""), "the end of the server")
    for client in clients:
        client.close()


def processes(backend):
    server = Program("prefork", "3", backend=backend)
    port = server.port()
    clients = [connect(port) for _ in range(60)]
    for client in clients:
        pid = re.fullmatch(r"worker (\d+)", greeting(client)).group(1)
        talk(client, b"hello")
    os.kill(int(pid), signal.SIGKILL)  # another takes its place
    deadline = time.monotonic() + 30
    pids = set()
    while len(pids - {pid}) < 2 and time.monotonic() < deadline:
        with connect(port) as client:
            pids.add(greeting(client).split()[1])
            talk(client, b"still there")
    equal(len(pids) > 1, True, f"who serves: {pids}")
    for client in clients:
        client.close()
    equal(server.stop(), (0, "stopped\n", ""), "the end of the server")


def who_is_there_may_finish(backend):
    server = Program("prefork", "2", backend=backend)
    client = connect(server.port())
    greeting(client)
    server.process.send_signal(signal.SIGTERM)
    time.sleep(0.05)
    talk(client, b"after the end")
    client.shutdown(1)
    equal(receive_all(client), b"", "the end of the connection")
    equal(server.end(), (0, "stopped\n", ""), "the end of the server")


if __name__ == "__main__":
    main(a_loop_per_thread, processes, who_is_there_may_finish)
