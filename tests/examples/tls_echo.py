#!/usr/bin/env python3
"""The echo server over TLS serves Python's ssl, openssl, GnuTLS where it is installed, and strangers."""
import random
import select
import shutil
import socket
import ssl
import subprocess
import threading

from support.certificates import Certificates
from support.programs import Program, connect, equal, main, same_bytes

CERTIFICATES = Certificates()


def tls(port, version=ssl.TLSVersion.TLSv1_3):
    context = ssl.create_default_context(cafile=CERTIFICATES.root)
    context.maximum_version = version
    context.set_alpn_protocols(["other", "echo"])
    client = context.wrap_socket(connect(port, receive_buffer=65536), server_hostname="localhost")
    equal(client.selected_alpn_protocol(), "echo", "the application protocol")
    equal(client.version(), "TLSv1.2" if version == ssl.TLSVersion.TLSv1_2 else "TLSv1.3", "the version")
    return client


def step(client, call):
    """What the call returns, or None: it cannot go on now."""
    try:
        return call()
    except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
        return None


def exchange(port, data, back, version=ssl.TLSVersion.TLSv1_3):
    """Sends and receives in turn on one thread, for OpenSSL's connections are not for two at a time."""
    client = tls(port, version)
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


def started(backend):
    server = Program("tls_echo", CERTIFICATES.server, backend=backend)
    return server, server.port()


def everything_comes_back(backend):
    server, port = started(backend)
    rng = random.Random(5)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        for size in (1, 1000, 16385, 3 << 20):
            data, back = rng.randbytes(size), bytearray()
            exchange(port, data, back, version)
            same_bytes(bytes(back), data, "what came back")
    equal(server.stop(), (0, "stopped after 8 connections\n", ""), "the end of the server")


def many_at_once(backend):
    server, port = started(backend)
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
    server, port = started(backend)
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


def peer(command, port, *arguments):
    """What another program's client prints that sends a line and ends; None: it is not installed."""
    if not shutil.which(command):
        return None
    done = subprocess.run([command, *arguments, f"localhost:{port}" if command == "openssl" else "localhost"],
                          input=b"hello there\n", capture_output=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


def other_clients(backend):
    server, port = started(backend)
    verified = ["-CAfile", CERTIFICATES.root, "-verify_return_error", "-servername", "localhost"]
    for version in ("-tls1_2", "-tls1_3"):
        status, text = peer("openssl", port, "s_client", version, *verified, "-connect")
        equal((status, b"Verify return code: 0" in text), (0, True), f"openssl s_client {version}: {text}")
    # What has been broken for long is not spoken.
    for old in (["-tls1"], ["-tls1_1"], ["-tls1_2", "-cipher", "NULL:EXPORT:RC4:3DES:MD5:aNULL:@SECLEVEL=0"]):
        status, text = peer("openssl", port, "s_client", *old, *verified, "-connect")
        equal(status != 0 and b"Cipher is (NONE)" in text, True, f"openssl s_client {old}: {text}")
    gnutls = peer("gnutls-cli", port, "--port", str(port), "--x509cafile", CERTIFICATES.root)
    if gnutls:
        equal((gnutls[0], b"hello there" in gnutls[1], b"Handshake was completed" in gnutls[1]), (0, True, True),
              f"gnutls-cli: {gnutls[1]}")
    back = bytearray()
    exchange(port, b"still there", back)
    equal(server.stop()[0], 0, "the end of the server")


if __name__ == "__main__":
    main(everything_comes_back, many_at_once, strangers, other_clients)
