#!/usr/bin/env python3
"""The echo server on streams does what the one on watchers does, and serves nc, socat and asyncio's streams."""
import asyncio
import random
import signal

import echo_server
from support.peers import peer
from support.programs import Program, equal, main, same_bytes


def on_streams(name, *args, **kwargs):
    return Program({"echo_server": "stream_echo"}[name], *args, **kwargs)


echo_server.Program = on_streams


def a_port_that_is_taken(backend):
    server = Program("stream_echo", backend=backend)
    second = Program("stream_echo", str(server.port()), backend=backend)
    status, _, errors = second.end()
    equal((status, errors), (1, "stream_echo: evl_server_listen: address in use\n"), "the second server")
    equal(server.stop()[0], 0, "the first server")


def both_families(backend):
    """localhost is two addresses with one port, where the machine has both."""
    server = Program("stream_echo", backend=backend)
    port, sockets = server.line(r"port (\d+), (\d) sockets").groups()
    equal(peer("nc", "-N", "127.0.0.1", port, stdin=b"four\n"), b"four\n", "over IPv4")
    if sockets == "2":
        equal(peer("nc", "-N", "::1", port, stdin=b"six\n"), b"six\n", "over IPv6")
    equal(server.stop(signal.SIGINT), (0, f"stopped after {sockets} connections\n", ""), "the end of the server")


def other_programs(backend):
    server = Program("stream_echo", backend=backend)
    port = server.port()
    data = random.Random(3).randbytes(3 << 20)
    same_bytes(peer("nc", "-N", "127.0.0.1", str(port), stdin=data), data, "what nc got back")
    same_bytes(peer("socat", "-t60", "-", f"TCP:127.0.0.1:{port}", stdin=data), data, "what socat got back")
    equal(server.stop()[0], 0, "the end of the server")


async def talk(port, data):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def send():
        for at in range(0, len(data), 10000):
            writer.write(data[at:at + 10000])
            await writer.drain()
        writer.write_eof()

    sender = asyncio.ensure_future(send())
    back = await reader.read(-1)
    await sender
    writer.close()
    await writer.wait_closed()
    return back


async def talk_at_once(port, messages):
    return await asyncio.gather(*(talk(port, message) for message in messages))


def asyncio_clients(backend):
    server = Program("stream_echo", backend=backend)
    port = server.port()
    rng = random.Random(4)
    messages = [rng.randbytes(rng.choice([1, 1000, 100000, 1 << 20])) for _ in range(40)]
    for back, message in zip(asyncio.run(talk_at_once(port, messages)), messages):
        same_bytes(back, message, "what an asyncio client got back")
    status, out, errors = server.stop()
    equal((status, out.splitlines()[-1], errors), (0, "stopped after 40 connections", ""), "the end of the server")


if __name__ == "__main__":
    main(echo_server.a_hundred_clients, echo_server.slow_readers, echo_server.clients_that_vanish,
         echo_server.more_clients_than_fds, a_port_that_is_taken, both_families, other_programs, asyncio_clients)
