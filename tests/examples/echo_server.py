#!/usr/bin/env python3
"""The echo server loses no byte: a hundred clients, clients that do not read, halves that end, clients that vanish."""
import random
import signal
import socket
import threading

from support.programs import Program, connect, equal, main, receive_all, receive_exactly, same_bytes


def a_hundred_clients(backend):
    server = Program("echo_server", backend=backend)
    port = server.port()
    rng = random.Random(1)
    clients = [connect(port) for _ in range(100)]
    for _ in range(10):
        messages = [rng.randbytes(rng.choice([1, 64, 1000, 16384, 40000])) for _ in clients]
        for client, message in zip(clients, messages):  # all of them are under way at once
            client.sendall(message)
        for client, message in zip(clients, messages):
            same_bytes(receive_exactly(client, len(message)), message, "a message")
    for client in clients:
        client.shutdown(socket.SHUT_WR)
    for client in clients:
        same_bytes(receive_all(client), b"", "after the end of the client's half")
        client.close()
    equal(server.stop(signal.SIGINT), (0, "stopped after 100 connections\n", ""), "the end of the server")


def slow_readers(backend):
    """More than the kernel's buffers hold, by clients that end their half before they have read a byte of it."""
    server = Program("echo_server", backend=backend)
    port = server.port()
    data = random.Random(2).randbytes(8 << 20)
    clients = [connect(port, receive_buffer=4096) for _ in range(2)]

    def send(client):
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)

    senders = [threading.Thread(target=send, args=(client,), daemon=True) for client in clients]
    for sender in senders:
        sender.start()
    with connect(port) as other:  # and nobody else is kept waiting by them
        for _ in range(100):
            other.sendall(b"still there?")
            equal(receive_exactly(other, 12), b"still there?", "a client beside slow ones")
    for client in clients:
        same_bytes(receive_all(client), data, "all that a slow client sent")
    for sender in senders:
        sender.join()
    equal(server.stop(), (0, "stopped after 3 connections\n", ""), "the end of the server")


def clients_that_vanish(backend):
    server = Program("echo_server", backend=backend)
    port = server.port()
    for _ in range(20):
        client = connect(port)
        client.sendall(b"x" * 100000)
        # With what was echoed unread, or with this option, closing resets the connection.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
    left = connect(port)  # open when the server is stopped
    left.sendall(b"hello")
    equal(receive_exactly(left, 5), b"hello", "after the others have gone")
    equal(server.stop(), (0, "stopped after 21 connections\n", ""), "the end of the server")
    same_bytes(receive_all(left), b"", "after the end of the server")


def more_clients_than_fds(backend):
    """The server looks away from those it has no fd for, and takes them when others have gone."""
    server = Program("echo_server", backend=backend, fds=40)
    port = server.port()
    waiting = [connect(port) for _ in range(100)]
    for client in waiting:
        client.sendall(b"my turn")
    for client in waiting:  # in the order in which they came
        equal(receive_exactly(client, 7), b"my turn", "a client that had to wait")
        client.close()
    equal(server.stop(), (0, "stopped after 100 connections\n", ""), "the end of the server")


def a_port_that_is_taken(backend):
    server = Program("echo_server", backend=backend)
    port = server.port()
    second = Program("echo_server", str(port), backend=backend)
    status, _, errors = second.end()
    equal((status, errors), (1, "echo_server: bind: address in use\n"), "the second server")
    equal(server.stop()[0], 0, "the first server")


if __name__ == "__main__":
    main(a_hundred_clients, slow_readers, clients_that_vanish, more_clients_than_fds, a_port_that_is_taken)
