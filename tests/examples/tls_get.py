#!/usr/bin/env python3
"""A page over HTTPS from servers that are as they should be, and from those that are not: each is named."""
import os
import socket
import ssl
import subprocess
import threading

from support.certificates import Certificates
from support.programs import equal, main, run

CERTIFICATES = Certificates()
PAGE = os.urandom(300000).hex()


class Server:
    """Serves one connection as `serve` does it: serve(connection)."""

    def __init__(self, serve):
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = str(self.listening.getsockname()[1])
        self.thread = threading.Thread(target=self.run, args=(serve,))
        self.thread.start()

    def run(self, serve):
        connection, _ = self.listening.accept()
        connection.settimeout(30)
        try:
            serve(connection)
        except OSError:  # the client refused it; what it says about that is tested
            pass
        connection.close()

    def end(self):
        self.thread.join()
        self.listening.close()


def over_tls(certificate, *, clean=True, version=ssl.TLSVersion.TLSv1_3, client=False):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = version
    context.load_cert_chain(certificate)
    if client:
        context.load_verify_locations(CERTIFICATES.root)
        context.verify_mode = ssl.CERT_REQUIRED

    def serve(connection):
        secure = context.wrap_socket(connection, server_side=True)
        while not secure.recv(4096).endswith(b"\r\n\r\n"):
            pass
        secure.sendall(PAGE.encode())
        if clean:
            secure.unwrap()
        else:
            os.close(secure.detach())

    return serve


def get(backend, serve, host="localhost"):
    server = Server(serve)
    result = run("tls_get", "--ca", CERTIFICATES.root, host, server.port, backend=backend)
    server.end()
    return result


def pages(backend):
    for version, name in ((ssl.TLSVersion.TLSv1_2, "TLS 1.2"), (ssl.TLSVersion.TLSv1_3, "TLS 1.3")):
        for host in ("localhost", "127.0.0.1"):
            status, out, err = get(backend, over_tls(CERTIFICATES.server, version=version), host)
            equal((status, out == PAGE, err.startswith(name)), (0, True, True), f"a page over {name}: {err}")


def failures(backend):
    def closes(connection):
        connection.recv(4096)

    def speaks_something_else(connection):
        connection.sendall(b"220 ready when you are\r\n")
        connection.recv(4096)

    cases = {
        "another name": (over_tls(CERTIFICATES.elsewhere), "certificate is for another name"),
        "a cut": (over_tls(CERTIFICATES.server, clean=False), "connection ended without TLS close"),
        "an end at once": (closes, "connection ended without TLS close"),
        "no TLS": (speaks_something_else, "TLS protocol error"),
        # The server says so, and closes with the request unread: the kernel's reset may overtake that.
        "a missing certificate": (over_tls(CERTIFICATES.server, client=True),
                                  "own certificate is missing, unusable or refused", "connection reset by peer"),
    }
    for what, (serve, *words) in cases.items():
        status, _, err = get(backend, serve)
        equal((status, any(text in err for text in words)), (1, True), f"{what}: {err}")
    status, _, err = run("tls_get", "localhost", "1", backend=backend)
    equal((status, "connection refused" in err), (1, True), err)


def other_servers(backend):
    """openssl's own server, which gives a page about the connection."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])
    server = subprocess.Popen(["openssl", "s_server", "-accept", port, "-cert", CERTIFICATES.server, "-www"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        for line in server.stdout:
            if line.startswith(b"ACCEPT"):
                break
        status, out, err = run("tls_get", "--ca", CERTIFICATES.root, "localhost", port, backend=backend)
        equal((status, "HTTP/1.0 200 ok" in out, "TLSv1.3" in out), (0, True, True), err)
    finally:
        server.kill()
        server.communicate()


if __name__ == "__main__":
    main(pages, failures, other_servers)
