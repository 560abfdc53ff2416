#!/usr/bin/env python3
"""The upper-case server answers line by line, whoever talks to it."""
import asyncio
import signal

from support.peers import peer
from support.programs import Program, connect, equal, main, receive_all, receive_exactly


def whoever(backend):
    server = Program("upper", backend=backend)
    port = server.port()
    equal(peer("nc", "-N", "127.0.0.1", str(port), stdin=b"one\ntwo\nthree"), b"ONE\nTWO\nTHREE", "to nc")
    equal(peer("socat", "-t60", "-", f"TCP:127.0.0.1:{port}", stdin=b"a\nb\n"), b"A\nB\n", "to socat")

    # curl stays until the server closes
    answer = peer("curl", "-sN", "--max-time", "60", f"telnet://127.0.0.1:{port}", stdin=b"four\n" + b"x" * 1024)
    equal(answer, b"FOUR\na line is too long\n", "to curl")

    async def talk():
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        answers = []
        for line in (b"hello\n", b"\n", b"mixed Case 1\n"):
            writer.write(line)
            await writer.drain()
            answers.append(await reader.readline())
        writer.write(b"end")
        writer.write_eof()
        answers.append(await reader.read())
        writer.close()
        await writer.wait_closed()
        return answers

    equal(asyncio.run(talk()), [b"HELLO\n", b"\n", b"MIXED CASE 1\n", b"END"], "to asyncio")
    status, out, errors = server.stop()
    equal((status, errors, out.count(": hello\n"), out.count(": bye\n")), (0, "", 4, 3), "the end of the server")


def odd_lines(backend):
    server = Program("upper", backend=backend)
    port = server.port()
    with connect(port) as client:  # byte by byte, and several at once
        for byte in b"slow\n":
            client.sendall(bytes([byte]))
        equal(receive_exactly(client, 5), b"SLOW\n", "a line byte by byte")
        client.sendall(b"a\nbb\nccc\n" * 1000)
        equal(receive_exactly(client, 9000), b"A\nBB\nCCC\n" * 1000, "many lines at once")
    with connect(port) as client:
        client.sendall(b"x" * 1023 + b"\n")
        equal(receive_exactly(client, 1024), b"X" * 1023 + b"\n", "the longest line")
        client.sendall(b"y" * 5000)
        equal(receive_all(client), b"a line is too long\n", "a line that is too long")
    with connect(port) as client:  # who is there when the server is stopped may finish
        client.sendall(b"before\n")
        equal(receive_exactly(client, 7), b"BEFORE\n", "before the stop")
        server.process.send_signal(signal.SIGTERM)
        client.sendall(b"after\n")
        equal(receive_exactly(client, 6), b"AFTER\n", "after the stop")
    equal(server.end()[0], 0, "the end of the server")


if __name__ == "__main__":
    main(whoever, odd_lines)
