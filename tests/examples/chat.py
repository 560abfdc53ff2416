#!/usr/bin/env python3
"""The chat room: all others hear a line, nobody waits for who does not read, and the socket's path comes and goes."""
import os
import socket
import tempfile

from support.peers import peer
from support.programs import Program, equal, main, receive_exactly


def enter(path):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(60)
    s.connect(path)
    return s


def hears(guest, text):
    equal(receive_exactly(guest, len(text)), text.encode(), "what is heard")


def a_room(backend, directory):
    path = os.path.join(directory, "room")
    server = Program("chat", path, backend=backend)
    server.line("the room is open")
    return server, path


def three_guests(backend):
    with tempfile.TemporaryDirectory() as directory:
        server, path = a_room(backend, directory)
        first, second = enter(path), None
        second = enter(path)
        hears(first, "guest 2 has come\n")
        second.sendall(b"yes\nand yes\n")
        hears(first, "guest 2: yes\nguest 2: and yes\n")
        # socat says a line and leaves; it gets what is said until it has left, which is nothing here
        equal(peer("socat", "-", f"UNIX-CONNECT:{path}", stdin=b"just passing\n"), b"", "what socat heard")
        for guest in (first, second):
            hears(guest, "guest 3 has come\nguest 3: just passing\nguest 3 has left\n")
        equal(peer("nc", "-NU", path, stdin=b"so am I"), b"", "what nc heard")
        for guest in (first, second):
            hears(guest, "guest 4 has come\nguest 4: so am Iguest 4 has left\n")
        second.close()
        hears(first, "guest 2 has left\n")
        equal(server.stop(), (0, "", ""), "the end of the room")
        equal((first.recv(1), os.path.exists(path)), (b"", False), "after the end")


def who_does_not_read(backend):
    with tempfile.TemporaryDirectory() as directory:
        server, path = a_room(backend, directory)
        deaf, talker = enter(path), None
        talker = enter(path)
        hears(deaf, "guest 2 has come\n")
        line = b"x" * 1000 + b"\n"
        said = b""
        for _ in range(5000):  # 5 MB, of which a queue holds one
            talker.settimeout(60)
            talker.sendall(line)
            talker.setblocking(False)
            try:
                said += talker.recv(100)
            except BlockingIOError:
                pass
            if said:
                break
        talker.settimeout(60)
        while not said.endswith(b"\n"):
            said += talker.recv(100)
        equal(said, b"guest 1 has left\n", "what the others hear")
        equal(server.stop()[0], 0, "the end of the room")


def a_path_that_was_left_behind(backend):
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "room")
        dead = socket.socket(socket.AF_UNIX)
        dead.bind(path)
        dead.close()
        server, _ = a_room(backend, directory)
        second = Program("chat", path, backend=backend)
        equal(second.end(), (1, "", "chat: evl_server_listen_unix: address in use\n"), "a second room")
        equal((server.stop()[0], os.path.exists(path)), (0, False), "the first")


if __name__ == "__main__":
    main(three_guests, who_does_not_read, a_path_that_was_left_behind)
