#!/usr/bin/env python3
"""The forwarder passes on bytes, ends of halves and resets; Python's servers, nc and curl talk through it."""
import asyncio
import hashlib
import http.server
import os
import random
import socket
import tempfile
import threading
import time

from support.peers import peer, slow
from support.programs import Program, backends, connect, equal, main, receive_all, receive_exactly, same_bytes

MIB = 1 << 20


def listener():
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    s.listen(16)
    s.settimeout(60)
    return s, s.getsockname()[1]


def forwarder(backend, port, host="127.0.0.1"):
    program = Program("forward", "0", host, str(port), backend=backend)
    return program, program.port()


def ends(backend):
    """A client and who is behind the forwarder."""
    server, port = listener()
    program, front = forwarder(backend, port)
    client = connect(front)
    back, _ = server.accept()
    back.settimeout(60)
    server.close()
    return program, client, back


def half_close_both_ways(backend):
    for first, second in ((0, 1), (1, 0)):
        program, *pair = ends(backend)
        one, other = pair[first], pair[second]
        one.sendall(b"the question")
        one.shutdown(socket.SHUT_WR)
        same_bytes(receive_all(other), b"the question", "up to the end of the half")
        for part in (b"an answer, ", b"and some more"):  # long after the end of the other half
            other.sendall(part)
            same_bytes(receive_exactly(one, len(part)), part, "the other half is open")
        other.shutdown(socket.SHUT_WR)
        same_bytes(receive_all(one), b"", "the end of the other half")
        equal(program.stop(), (0, "", ""), "the forwarder")


def resets(backend):
    for first, second in ((0, 1), (1, 0)):
        program, *pair = ends(backend)
        pair[first].sendall(b"before")
        same_bytes(receive_exactly(pair[second], 6), b"before", "before the reset")
        pair[first].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        pair[first].close()
        try:
            equal(pair[second].recv(1), "a reset", "a reset is passed on")
        except ConnectionResetError:
            pass
        equal(program.stop(), (0, "", "forward: connection reset by peer\n"), "the forwarder")


def nobody_there(backend):
    keeper = socket.socket()
    keeper.bind(("127.0.0.1", 0))
    program, front = forwarder(backend, keeper.getsockname()[1])
    try:
        with connect(front) as client:
            equal(client.recv(1), "a reset", "nobody behind the forwarder")
    except ConnectionResetError:  # already by connect, perhaps
        pass
    equal(program.stop(), (0, "", "forward: connection refused\n"), "the forwarder")


def memory_of(program):
    with open(f"/proc/{program.process.pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def backpressure(backend):
    """Who does not read stops the sender, and the forwarder holds no more than its mark in between."""
    program, client, back = ends(backend)
    before = memory_of(program)
    client.setblocking(False)
    sent, block, still = 0, bytes(64 * 1024), 0
    while still < 20 and sent < 512 * MIB:
        try:
            sent += client.send(block)
            still = 0
        except BlockingIOError:
            still += 1
            time.sleep(0.02)
    equal(sent < 512 * MIB, True, "somebody stopped the sender")
    if not slow("forward"):
        equal(memory_of(program) - before < 4 * MIB, True, f"memory with {sent} bytes on their way")
    client.setblocking(True)
    client.shutdown(socket.SHUT_WR)
    got = 0
    while part := back.recv(MIB):
        got += len(part)
    equal(got, sent, "what arrives when it is read")
    equal(program.stop()[0], 0, "the forwarder")


def send_blocks(s, total, digest):
    base = bytearray(random.Random(5).randbytes(MIB))
    for i in range(total // MIB):
        base[:8] = i.to_bytes(8, "little")
        digest.update(base)
        s.sendall(base)
    s.shutdown(socket.SHUT_WR)


def receive_blocks(s, digest):
    buffer = memoryview(bytearray(MIB))
    total = 0
    while n := s.recv_into(buffer):
        digest.update(buffer[:n])
        total += n
    return total


def much(backend):
    """A gigabyte one way (or less, where it is slow), a quarter of it the other way at the same time."""
    program, client, back = ends(backend)
    fast = backend == backends()[0] and not slow("forward")
    total = 1024 * MIB if fast else 256 * MIB if backend == backends()[0] else 64 * MIB
    sums = [hashlib.sha1() for _ in range(4)]
    got = {}
    threads = [threading.Thread(target=send_blocks, args=(client, total, sums[0]), daemon=True),
               threading.Thread(target=send_blocks, args=(back, total // 4, sums[1]), daemon=True),
               threading.Thread(target=lambda: got.update(back=receive_blocks(client, sums[3])), daemon=True)]
    for thread in threads:
        thread.start()
    got["there"] = receive_blocks(back, sums[2])
    for thread in threads:
        thread.join()
    equal(got, {"there": total, "back": total // 4}, "how much arrived")
    equal((sums[2].hexdigest(), sums[3].hexdigest()), (sums[0].hexdigest(), sums[1].hexdigest()), "the checksums")
    equal(program.stop(), (0, "", ""), "the forwarder")


def curl_through_it(backend):
    with tempfile.TemporaryDirectory() as directory:
        data = random.Random(6).randbytes(5 * MIB)
        with open(os.path.join(directory, "file"), "wb") as file:
            file.write(data)

        class Quiet(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *args):
                super().__init__(*args, directory=directory)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        program, front = forwarder(backend, server.server_address[1], "localhost")
        url = f"http://127.0.0.1:{front}/file"
        same_bytes(peer("curl", "-sS", "--max-time", "60", url, url), data + data, "what curl fetched")
        equal(program.stop()[0], 0, "the forwarder")
        server.shutdown()
        server.server_close()


def asyncio_behind_it(backend):
    """asyncio's server behind, asyncio's and nc's clients in front."""
    async def serve(reader, writer):
        while line := await reader.readline():
            writer.write(line.upper())
            await writer.drain()
        writer.close()

    async def talk(port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.writelines([b"one\n", b"two\n"])
        writer.write_eof()
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer

    async def both():
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        program, front = forwarder(backend, server.sockets[0].getsockname()[1])
        answers = await asyncio.gather(*(talk(front) for _ in range(20)))
        nc = await asyncio.to_thread(peer, "nc", "-N", "127.0.0.1", str(front), stdin=b"by nc\n")
        server.close()
        return program.stop(), answers, nc

    (status, _, errors), answers, nc = asyncio.run(both())
    equal((answers, nc), ([b"ONE\nTWO\n"] * 20, b"BY NC\n"), "the answers")
    equal((status, errors), (0, ""), "the forwarder")


if __name__ == "__main__":
    main(half_close_both_ways, resets, nobody_there, backpressure, curl_through_it, asyncio_behind_it, much)
