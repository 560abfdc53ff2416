#!/usr/bin/env python3
"""Datagrams come back: to the example's own client, to plain sockets, to many at once; and errors end neither side."""
import asyncio
import random
import socket

from support.programs import Program, equal, main, run


def plain_socket(port):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(30)
    s.connect(("127.0.0.1", port))
    return s


def its_own_client(backend):
    server = Program("udp_echo", "serve", backend=backend)
    port = str(server.port())
    words = [f"word{i}" for i in range(200)] + ["with a space", "ä" * 500]
    equal(run("udp_echo", "ask", port, *words, backend=backend), (0, "\n".join(words) + "\n", ""), "the words")
    equal(run("udp_echo", "ask", port, backend=backend), (0, "", ""), "no words")
    equal(server.stop(), (0, f"stopped after {len(words)} datagrams, 0 dropped\n", ""), "the server")


def plain_sockets(backend):
    """Of every size, an empty one too; each gets its own back."""
    server = Program("udp_echo", "serve", backend=backend)
    port = server.port()
    rng = random.Random(1)
    clients = [plain_socket(port) for _ in range(50)]
    sizes = [0, 1, 100, 1472, 9000, 65507]
    for size in sizes:
        sent = [rng.randbytes(size) for _ in clients]
        for start in range(0, len(clients), 2):  # few enough for the server's receive buffer
            for client, data in zip(clients[start:start + 2], sent[start:start + 2]):
                client.send(data)
            for client, data in zip(clients[start:start + 2], sent[start:start + 2]):
                equal(client.recv(70000) == data, True, f"a datagram of {size} bytes")
    count = len(sizes) * len(clients)
    equal(server.stop(), (0, f"stopped after {count} datagrams, 0 dropped\n", ""), "the server")


class Pinger(asyncio.DatagramProtocol):
    """Sends the next number when the one before has come back."""

    def __init__(self, count):
        self.left, self.done = count, asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport
        transport.sendto(b"%d" % self.left)

    def datagram_received(self, data, addr):
        equal(data, b"%d" % self.left, "what comes back")
        self.left -= 1
        if self.left:
            self.transport.sendto(b"%d" % self.left)
        else:
            self.done.set_result(True)


def asyncio_endpoints(backend):
    server = Program("udp_echo", "serve", backend=backend)
    port = server.port()

    async def ping_all():
        loop = asyncio.get_running_loop()
        pingers = [await loop.create_datagram_endpoint(lambda: Pinger(100), remote_addr=("127.0.0.1", port))
                   for _ in range(10)]
        await asyncio.wait_for(asyncio.gather(*(protocol.done for _, protocol in pingers)), 30)
        for transport, _ in pingers:
            transport.close()

    asyncio.run(ping_all())
    equal(server.stop(), (0, "stopped after 1000 datagrams, 0 dropped\n", ""), "the server")


def clients_that_are_gone(backend):
    """Their ports answer that nobody is there. The server goes on."""
    server = Program("udp_echo", "serve", backend=backend)
    port = server.port()
    for _ in range(50):
        with plain_socket(port) as client:
            client.send(b"no time to wait")
    with plain_socket(port) as client:
        client.send(b"still there?")
        equal(client.recv(100), b"still there?", "the answer")
    equal(server.stop()[0], 0, "the server's status")


def a_server_that_is_not_there(backend):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    status, out, errors = run("udp_echo", "ask", str(port), "hello", backend=backend)
    equal((status, out), (1, ""), "the client")
    equal('no answer to "hello": connection refused' in errors, True, f"what it says: {errors!r}")


def a_server_that_answers_late(backend):
    """The first datagrams are lost, the client asks again."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        s.settimeout(30)
        client = Program("udp_echo", "ask", str(s.getsockname()[1]), "a", "b", backend=backend)
        for word in (b"a", b"b"):
            for attempt in range(2):
                data, address = s.recvfrom(100)
                equal(data, word, f"attempt {attempt}")
            s.sendto(word, address)
        equal(client.end(), (0, "a\nb\n", ""), "the client")


def bad_arguments(backend):
    for arguments in [(), ("ask",), ("sing", "1")]:
        status, out, errors = run("udp_echo", *arguments, backend=backend)
        equal((status, out, errors.startswith("usage: ")), (2, "", True), str(arguments))


if __name__ == "__main__":
    main(its_own_client, plain_sockets, asyncio_endpoints, clients_that_are_gone, a_server_that_is_not_there,
         a_server_that_answers_late, bad_arguments)
