#!/usr/bin/env python3
"""The echo server with a fiber for each client serves many at once, and ends them with itself."""
import random
import signal
import socket

from support.programs import Program, equal, main, same_bytes


def serves(backend):
    server = Program("fiber_echo", backend=backend)
    port = server.port()
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(50)]
    for i, client in enumerate(clients):
        client.sendall(b"hello %d" % i)
    for i, client in reversed(list(enumerate(clients))):
        equal(client.recv(100), b"hello %d" % i, "an echo")
    data = random.randbytes(200000)
    got = bytearray()
    sent = 0
    clients[0].settimeout(10)
    while len(got) < len(data):
        sent += clients[0].send(data[sent:sent + 5000]) if sent < len(data) else 0
        got += clients[0].recv(5000)
    same_bytes(bytes(got), data, "a long echo")
    clients[1].shutdown(socket.SHUT_WR)
    equal(clients[1].recv(100), b"", "the end of one")
    equal(server.stop(signal.SIGINT), (0, "served 50\n", ""), "the end of the server")
    for client in clients:
        client.close()


if __name__ == "__main__":
    main(serves)
