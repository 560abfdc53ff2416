#!/usr/bin/env python3
"""The echo server over TLS, with OpenSSL over the fd and over memory, serves Python's ssl and strangers."""
import random
import select
import socket
import ssl
import threading

from support.programs import Program, connect, equal, main, same_bytes

WAYS = ([], ["--memory"])


def tls(port):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(connect(port, receive_buffer=65536))


def step(client, call):
    """What the call returns, or None: it cannot go on now."""
    try:
        return call()
    except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
        return None


def exchange(port, data, back):
    """Sends and receives in turn on one thread, for OpenSSL's connections are not for two at a time."""
    client = tls(port)
    patience = client.gettimeout()
    client.setblocking(False)
    sent = 0
    while len(back) < len(data):
        size = step(client, lambda: client.send(data[sent:sent + 100000])) if sent < len(data) else None
        got = step(client, lambda: client.recv(1 << 16))
        if got == b"":
            raise EOFError(f"the end after {len(back)} of {len(data)} bytes")
        sent += size or 0
        back += got or b""
        if size is None and got is None:
            ready = select.select([client], [client] if sent < len(data) else [], [], patience)
            if not any(ready):
                raise TimeoutError(f"{sent} bytes sent, {len(back)} received")
    client.settimeout(patience)
    client.unwrap().close()  # close_notify, and the server's


def started(backend, way):
    server = Program("tls_echo", *way, backend=backend)
    return server, server.port()


def everything_comes_back(backend):
    for way in WAYS:
        server, port = started(backend, way)
        rng = random.Random(5)
        for size in (1, 1000, 16385, 3 << 20):
            data, back = rng.randbytes(size), bytearray()
            exchange(port, data, back)
            same_bytes(bytes(back), data, "what came back")
        equal(server.stop(), (0, "stopped after 4 connections\n", ""), "the end of the server")


def many_at_once(backend):
    for way in WAYS:
        server, port = started(backend, way)
        rng = random.Random(6)
        messages = [rng.randbytes(rng.choice([10, 100000, 400000])) for _ in range(20)]
        backs = [bytearray() for _ in messages]
        threads = [threading.Thread(target=exchange, args=(port, *pair)) for pair in zip(messages, backs)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for data, back in zip(messages, backs):
            same_bytes(bytes(back), data, "what one of many got back")
        equal(server.stop(), (0, "stopped after 20 connections\n", ""), "the end of the server")


def strangers(backend):
    """One that speaks no TLS, one that says nothing, one that vanishes; and then one that is served."""
    for way in WAYS:
        server, port = started(backend, way)
        plain = connect(port)
        plain.sendall(b"GET / HTTP/1.0\r\n\r\n")
        try:
            while plain.recv(1000):
                pass
        except ConnectionResetError:
            pass
        silent = connect(port)
        vanished = tls(port)
        vanished.sendall(b"x" * 100000)
        vanished.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        vanished.close()
        back = bytearray()
        exchange(port, b"still there", back)
        equal(bytes(back), b"still there", "what came back")
        silent.close()
        plain.close()
        equal(server.stop()[0], 0, "the end of the server")


if __name__ == "__main__":
    main(everything_comes_back, many_at_once, strangers)
