#!/usr/bin/env python3
"""The crawler: good pages are fetched and saved, each bad host is named with what is wrong, and the rest goes on."""
import contextlib
import os
import re
import socket
import tempfile
import threading

from support.programs import equal, main, run, same_bytes

PAGES = {
    "/small": b"a small page\n",
    "/empty": b"",
    "/large": bytes(range(256)) * 4096 * 3,
    "/no-length": b"how long this is shows only at its end\n" * 100,
}


def read_request(connection):
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(4096)
        if not part:
            return None
        data += part
    return data.decode()


class Server:
    """Serves each connection on a thread of its own with answer(connection, request)."""

    def __init__(self, answer):
        self.answer = answer
        self.requests = []
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(64)
        self.port = self.listener.getsockname()[1]
        self.host = f"127.0.0.1:{self.port}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection:
            request = read_request(connection)
            self.requests.append(request)
            if request is not None:
                self.answer(connection, request)


def good(connection, request):
    target = request.split(" ")[1]
    if target not in PAGES:
        connection.sendall(b"HTTP/1.0 404 Not Found\r\nContent-Length: 5\r\n\r\nnone\n")
        return
    length = b"" if target == "/no-length" else b"content-length: %d\r\n" % len(PAGES[target])
    connection.sendall(b"HTTP/1.0 200 OK\r\nServer: a test\r\n" + length + b"\r\n" + PAGES[target])


def half_closed(connection, _):
    connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 1000\r\n\r\nonly this")


def within_the_header(connection, _):
    connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Le")


def silent(connection, _):
    connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 1000\r\n\r\nand then no more")
    with contextlib.suppress(ConnectionResetError):
        connection.recv(1)  # until the crawler gives up


def not_http(connection, _):
    connection.sendall(b"220 mail.example ready\r\n\r\n")


def nothing(_connection, _request):
    pass


def refused():
    """A port on which nobody listens: one that was ours, and is kept from everybody else."""
    keeper = socket.socket()
    keeper.bind(("127.0.0.1", 0))
    return keeper, f"127.0.0.1:{keeper.getsockname()[1]}"


def good_pages(backend):
    server = Server(good)
    with tempfile.TemporaryDirectory() as directory:
        urls = [f"http://{server.host}{page}" for page in PAGES] * 5
        status, out, errors = run("crawl", "-o", directory, *urls, backend=backend)
        equal((status, errors), (0, ""), "status and errors of a crawl where all is well")
        expected = [f"{server.host}{page}: {len(body)} bytes" for page, body in PAGES.items()] * 5
        total = sum(map(len, PAGES.values())) * 5
        lines = out.splitlines()
        equal(sorted(lines[:-1]), sorted(expected), "the pages")
        equal(lines[-1], f"20 of 20 pages, {total} bytes", "the sum")
        names = sorted(os.listdir(directory))
        equal(names, [f"{i:03}-127.0.0.1" for i in range(1, 21)], "the files")
        for name, body in zip(names, list(PAGES.values()) * 5):
            with open(os.path.join(directory, name), "rb") as file:
                same_bytes(file.read(), body, name)
    for request in server.requests:
        if not re.fullmatch(rf"GET /\S* HTTP/1.0\r\nHost: {server.host}\r\nConnection: close\r\n\r\n", request):
            raise AssertionError(f"a request of another kind: {request!r}")


def by_name(backend):
    """localhost may be ::1 first, where nobody listens: the next address is tried."""
    server = Server(good)
    status, out, errors = run("crawl", f"http://localhost:{server.port}/small", backend=backend)
    equal((status, errors), (0, ""), "status and errors")
    equal(out, f"localhost:{server.port}/small: 13 bytes\n1 of 1 pages, 13 bytes\n", "the page")


def bad_hosts(backend):
    """All the ways in which a host fails, between good pages: each is named, and none disturbs another."""
    servers = {answer: Server(answer) for answer in
               (good, half_closed, within_the_header, silent, not_http, nothing)}
    host = {answer.__name__: server.host for answer, server in servers.items()}
    keeper, nobody = refused()
    urls = [f"{host['good']}/small", f"{nobody}/", "nonexistent.invalid/page", f"{host['silent']}/",
            f"{host['half_closed']}/", f"{host['within_the_header']}/", f"{host['not_http']}/",
            f"{host['nothing']}/", f"{host['good']}/missing", f"{host['good']}/large"]
    status, out, errors = run("crawl", "-t", "2", *[f"http://{url}" for url in urls], backend=backend)
    keeper.close()
    equal(status, 1, "the status")
    lines = out.splitlines()
    equal(sorted(lines[:-1]), sorted([f"{host['good']}/small: 13 bytes",
                                      f"{host['good']}/large: {len(PAGES['/large'])} bytes"]), "the good pages")
    equal(lines[-1], f"2 of 10 pages, {13 + len(PAGES['/large'])} bytes", "the sum")
    problems = dict(re.fullmatch(r"crawl: (\S+): (.*)", line).groups() for line in errors.splitlines())
    lookup = problems.pop("nonexistent.invalid/page")
    # The words are the C library's, and a resolver that cannot be asked says so in others.
    if not re.search(r"(?i)name|resol|known|address|time", lookup):
        raise AssertionError(f"a name that does not exist: {lookup!r}")
    equal(problems, {
        f"{nobody}/": "connection refused",
        f"{host['silent']}/": "timed out",
        f"{host['half_closed']}/": "the connection ended after 9 of 1000 bytes",
        f"{host['within_the_header']}/": "the connection ended within the header",
        f"{host['not_http']}/": "this is not HTTP",
        f"{host['nothing']}/": "the connection ended without an answer",
        f"{host['good']}/missing": "HTTP status 404",
    }, "what is said of the bad hosts")


def many_at_once(backend):
    """No page is answered before all have been asked for: one after another would never end."""
    together = threading.Barrier(50)

    def answer(connection, request):
        together.wait(timeout=60)
        good(connection, request)

    server = Server(answer)
    status, out, errors = run("crawl", "-t", "60", *[f"http://{server.host}/small"] * 50, backend=backend)
    equal((status, errors, out.splitlines()[-1]), (0, "", "50 of 50 pages, 650 bytes"), "fifty pages at once")


def usage(backend):
    for args in ([], ["ftp://host/"], ["-t", "0", "http://host/"], ["-x", "http://host/"], ["http://"],
                 ["http://host/a b"]):
        status, out, errors = run("crawl", *args, backend=backend)
        equal((status, out, "usage: crawl" in errors), (2, "", True), f"usage with {args}")


def a_directory_that_is_not_there(backend):
    server = Server(good)
    status, out, errors = run("crawl", "-o", "/nonexistent/directory", f"http://{server.host}/small",
                              backend=backend)
    equal((status, out), (1, "0 of 1 pages, 0 bytes\n"), "status and output")
    equal(errors, f"crawl: {server.host}/small: its file cannot be opened\n", "the error")


if __name__ == "__main__":
    main(good_pages, by_name, bad_hosts, many_at_once, usage, a_directory_that_is_not_there)
