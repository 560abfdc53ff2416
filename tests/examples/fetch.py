#!/usr/bin/env python3
"""The crawler, in C and in C++, against servers that are as they should be, and those that are not: each failure is
named, and the others are finished."""
import http.server
import os
import re
import socket
import ssl
import tempfile
import threading

from support.certificates import Certificates
from support.programs import equal, main, run

CERTIFICATES = Certificates()
PAGE = os.urandom(300000)
PROGRAMS = "fetch", "cpp/fetch"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", "/page")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif self.path == "/round":
            self.send_response(302)
            self.send_header("Location", "/round")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif self.path == "/nothing":
            self.send_error(404)
        elif self.path == "/endless":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            try:
                while True:
                    self.wfile.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
            except OSError:
                self.close_connection = True
        elif self.path == "/cut":
            self.send_response(200)
            self.send_header("Content-Length", str(len(PAGE)))
            self.end_headers()
            self.wfile.write(PAGE[:1000])
            self.close_connection = True
        elif self.path == "/slow":
            self.rfile.read(1)  # until the client gives up
            self.close_connection = True
        else:
            self.send_response(200)
            self.send_header("Content-Length", str(len(PAGE)))
            self.end_headers()
            self.wfile.write(PAGE)

    def log_message(self, *_):
        pass


class Web(http.server.ThreadingHTTPServer):
    """Runs until it is left."""
    daemon_threads = False
    request_queue_size = 128

    def __init__(self, certificate=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.context = None
        self.at = f"{'https' if certificate else 'http'}://localhost:{self.server_address[1]}"
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(certificate)
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def finish_request(self, request, client_address):
        if self.context:  # on the connection's own thread
            with self.context.wrap_socket(request, server_side=True) as secure:
                super().finish_request(secure, client_address)
        else:
            super().finish_request(request, client_address)

    def handle_error(self, request, client_address):
        pass  # the client refused it; what it says about that is tested

    def __exit__(self, *_):
        self.shutdown()
        self.thread.join()
        self.server_close()


def rows(out):
    """Of each URL, its status or its error's name, and the bytes."""
    return {row[3].rstrip(":"): (row[0], row[1]) for row in (line.split() for line in out.splitlines()[1:-1])}


def crawls(backend):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        refused = f"http://localhost:{probe.getsockname()[1]}/"
    with Web() as plain, Web(CERTIFICATES.server) as secure, Web(CERTIFICATES.elsewhere) as elsewhere:
        whole = "200", str(len(PAGE))
        expected = {
            f"{plain.at}/page": whole,
            f"{secure.at}/page": whole,
            f"{plain.at}/away": whole,
            f"{secure.at}/away": whole,
            f"{plain.at}/round": ("EVL_EHTTP_REDIRECTS", "-"),
            f"{plain.at}/endless": ("EVL_EHTTP_TOO_LARGE", "-"),
            f"{secure.at}/endless": ("EVL_EHTTP_TOO_LARGE", "-"),
            f"{plain.at}/cut": ("EVL_EHTTP_TRUNCATED", "-"),
            f"{secure.at}/cut": ("EVL_EHTTP_TRUNCATED", "-"),
            f"{elsewhere.at}/page": ("EVL_ETLS_NAME", "-"),
            f"{plain.at.replace('http', 'https')}/page": ("EVL_ETLS_PROTOCOL", "-"),
            refused: ("EVL_ECONNREFUSED", "-"),
            "gopher://localhost/": ("EVL_EHTTP_URL", "-"),
        }
        for program in PROGRAMS:
            with tempfile.TemporaryDirectory() as directory:
                status, out, err = run(program, "-t", "60", "-m", "1000000", "-n", "6", "-c", CERTIFICATES.root,
                                       "-o", directory, *expected, f"{plain.at}/nothing", backend=backend)
                found = rows(out)
                equal((status, err), (1, ""), f"{program}: {err}")
                equal(found.pop(f"{plain.at}/nothing")[0], "404", program)
                equal(found, expected, program)
                equal(re.search(r"^4 of 14, 10 failed, 1200000 bytes, ", out, re.MULTILINE) is not None, True, out)
                for number in 1, 2, 3, 4:
                    with open(os.path.join(directory, str(number)), "rb") as file:
                        equal(file.read() == PAGE, True, f"{program}: what was saved of {number}")
        for program in PROGRAMS:
            slow = f"{plain.at}/slow"
            status, out, err = run(program, "-t", "0.1", slow, backend=backend)
            equal((status, rows(out)), (1, {slow: ("EVL_ETIMEDOUT", "-")}), program + err)
            status, out, err = run(program, "-n", "10", *[f"{plain.at}/{i}" for i in range(100)], backend=backend)
            equal((status, f"100 of 100, 0 failed, {100 * len(PAGE)} bytes, " in out), (0, True), program + out + err)


def untrusted(backend):
    """By the system's roots."""
    with Web(CERTIFICATES.server) as secure:
        for program in PROGRAMS:
            status, out, err = run(program, f"{secure.at}/page", backend=backend)
            equal((status, rows(out)), (1, {f"{secure.at}/page": ("EVL_ETLS_UNTRUSTED", "-")}), program + err)


def wrong_usage(backend):
    for program in PROGRAMS:
        for arguments in [], ["-x"]:
            equal(run(program, *arguments, backend=backend)[0], 2, program)


if __name__ == "__main__":
    main(crawls, untrusted, wrong_usage)
