"""net_scenarios.py: scenarios of streams, servers, datagrams, names, fds, signals and processes, each spoken once and
run in both worlds of net.py's.

What two things see is compared each in its own order. A pause is never needed for what is expected: it gives what
must not happen time to happen."""
import fcntl
import os
import signal
import socket
import sys

from differences import differ
from net import also_called, pattern, receive_all, reset

SCENARIOS = []


def scenario(since=(3, 10), flawed=()):
    """since: a version of CPython's. flawed: the first version that does something else, and the first that no longer
    does."""
    def add(function):
        suits = since <= sys.version_info and not (flawed and flawed[0] <= sys.version_info < flawed[1])
        SCENARIOS.append((function.__name__, function, suits))
        return function
    return add


# --- reading

@scenario()
async def reading_takes_what_there_is(w):
    s, peer = await w.pair("s")
    peer.sendall(b"abcdef")
    await s.read(4)
    await s.read(100)
    await s.read(0)


@scenario()
async def reading_waits_for_data(w):
    s, peer = await w.pair("s")

    async def read():
        await s.read(100)
    reading = w.task(read())
    await w.turns()
    w.emit("s", "sending")
    peer.sendall(b"late")
    await w.join(reading)


@scenario()
async def reading_to_the_end(w):
    s, peer = await w.pair("s")
    peer.sendall(b"abc")
    s.at_eof()
    peer.close()
    await s.read_all()
    s.at_eof()
    await s.read_all()
    await s.read(10)


@scenario()
async def much_is_read_to_the_end(w):
    s, peer = await w.pair("s")

    def send():
        peer.sendall(pattern(1_000_000))
        peer.close()
    sending = w.task(w.elsewhere(send))
    await s.read_all()
    await w.join(sending)


@scenario()
async def the_end_is_found_with_data_before_it(w):
    s, peer = await w.pair("s")
    peer.sendall(b"abc")
    peer.close()
    await s.read(2)
    s.at_eof()
    await s.read(2)
    await s.read(2)
    s.at_eof()


@scenario()
async def reading_exactly(w):
    s, peer = await w.pair("s")

    async def read():
        await s.read_exactly(6)
        await s.read_exactly(3)
    reading = w.task(read())
    for part in (b"ab", b"cd", b"efgh", b"i"):
        await w.turns()
        peer.sendall(part)
    await w.join(reading)


@scenario()
async def reading_exactly_meets_the_end(w):
    s, peer = await w.pair("s")
    peer.sendall(b"abc")
    peer.close()
    await s.read_exactly(5)
    await s.read_exactly(1)
    s.at_eof()


@scenario()
async def reading_exactly_more_than_the_limit(w):
    s, peer = await w.pair("s", limit=100)
    sending = w.task(w.elsewhere(lambda: peer.sendall(pattern(50_000))))
    await s.read_exactly(50_000)
    await w.join(sending)


@scenario()
async def reading_until_a_separator(w):
    s, peer = await w.pair("s")
    peer.sendall(b"one--two--three-")
    await s.read_until(b"--")
    await s.read_until(b"--")
    await w.turns()
    peer.sendall(b"-four")
    await s.read_until(b"--")
    await s.read(100)


@scenario()
async def a_separator_comes_in_parts(w):
    s, peer = await w.pair("s")

    async def read():
        await s.read_until(b"<end>")
    reading = w.task(read())
    for part in (b"abc<", b"en", b"d", b"><end"):
        await w.turns()
        peer.sendall(part)
    await w.join(reading)
    peer.close()
    await s.read_until(b"<end>")


@scenario()
async def reading_until_meets_the_end(w):
    s, peer = await w.pair("s")
    peer.sendall(b"no separator")
    peer.close()
    await s.read_until(b"\r\n")
    await s.read(10)


@scenario()
async def a_separator_at_the_end_counts(w):
    s, peer = await w.pair("s")
    peer.sendall(b"abc;")
    peer.close()
    await s.read_until(b";")
    await s.read_until(b";")


@scenario()
async def reading_until_exceeds_the_limit(w):
    s, peer = await w.pair("s", limit=8)
    peer.sendall(b"0123456789;rest;")
    await s.read_until(b";")
    await s.read(4)
    await s.read_until(b";")
    await s.read_until(b";")


@scenario()
async def no_separator_within_the_limit(w):
    s, peer = await w.pair("s", limit=8)
    peer.sendall(b"0123456789")
    await s.read_until(b";")
    await s.read_until(b";")
    await s.read_exactly(10)
    peer.sendall(b"more;")
    await s.read_until(b";")


@scenario()
async def one_byte_too_many(w):
    s, peer = await w.pair("s", limit=8)
    peer.sendall(b"012345678")
    await s.read_until(b";", timeout=5)
    await s.read_exactly(9)
    peer.sendall(b"012345678\r")
    await s.read_until(b"\r\n", timeout=5)
    await s.read_exactly(10)
    peer.sendall(b"01234567\r")
    await s.read_until(b"\r\n", timeout=0.01)


@scenario()
async def as_much_as_the_limit_allows(w):
    s, peer = await w.pair("s", limit=8)
    peer.sendall(b"01234567;")
    await s.read_until(b";")
    peer.sendall(b"01234567\r\n")
    await s.read_until(b"\r\n")
    peer.sendall(b"012345678\r\n")
    await s.read_until(b"\r\n")
    await s.read(100)
    peer.sendall(b"01234567")
    peer.close()
    await s.read_until(b";")


@scenario(since=(3, 13))
async def the_separator_that_ends_first(w):
    s, peer = await w.pair("s")
    peer.sendall(b"one\r\ntwo\nthree\rfour\n\r")
    for _ in range(5):
        await s.read_until((b"\r", b"\n", b"\r\n"))


@scenario()
async def lines(w):
    s, peer = await w.pair("s")
    peer.sendall(b"one\n\ntwo\nthree")
    for _ in range(3):
        await s.read_line()
    peer.close()
    for _ in range(2):
        await s.read_line()


@scenario()
async def a_line_is_too_long(w):
    s, peer = await w.pair("s", limit=8)
    peer.sendall(b"much too long a line\nshort\n")
    await s.read_line()
    await s.read_line()


@scenario()
async def a_line_has_no_end(w):
    s, peer = await w.pair("s", limit=8)
    peer.sendall(b"much too long a line")
    await s.read_line()
    peer.sendall(b"next\n")
    await s.read_line()


@scenario()
async def a_second_read_is_refused(w):
    s, peer = await w.pair("s")

    async def read():
        await s.read_exactly(3)
    reading = w.task(read())
    await w.turns()
    await s.read(10)
    await s.read_line()
    peer.sendall(b"abc")
    await w.join(reading)


@scenario()
async def a_cancelled_read_has_taken_nothing(w):
    s, peer = await w.pair("s")

    async def read():
        await s.read_exactly(6)
        await s.read_until(b";")
        await s.read_line()
        await s.read(100)
    reading = w.task(read())
    for part in (b"abc", b"defg", b"hi"):
        await w.turns()
        peer.sendall(part)
        await w.sleep(5)
        reading.cancel()
        await w.turns()
    await w.join(reading)


@scenario()
async def a_read_that_times_out_has_taken_nothing(w):
    s, peer = await w.pair("s")
    await s.read(10, timeout=0.01)
    peer.sendall(b"abc")
    await s.read_exactly(6, timeout=0.02)
    await s.read_line(timeout=0.01)
    await s.read_until(b";", timeout=0.01)
    peer.sendall(b"def;")
    await s.read_until(b";", timeout=5)


@scenario()
async def a_read_is_cancelled_when_data_is_there(w):
    s, peer = await w.pair("s")

    async def read():
        await s.read(100)
    reading = w.task(read())
    await w.turns()
    reading.cancel()
    peer.sendall(b"abc")
    await w.join(reading)
    await s.read(100)


@scenario()
async def reading_after_a_reset(w):
    s, peer = await w.pair("s")

    async def read():
        await s.read(100)
    reading = w.task(read())
    await w.turns()
    reset(peer)
    await w.join(reading)
    await s.read_line()


@scenario()
async def a_read_is_pending_when_its_stream_is_closed(w):
    s, peer = await w.pair("s")

    async def read():
        differ("read-closed")
        got = await s.read(100)
        w.emit("s", f"had {got or b''!r}")
    reading = w.task(read())
    await w.turns()
    peer.sendall(b"x")
    await w.join(reading)
    s.close()
    w.emit("peer", await w.elsewhere(lambda: peer.recv(10)))


# --- writing

@scenario()
async def writing(w):
    s, peer = await w.pair("s")
    s.write(b"abc")
    s.write(b"")
    s.write_lines(b"def", b"", b"ghi")
    s.write_lines(b"")
    await s.drain()
    w.emit("peer", await w.elsewhere(lambda: receive_all(peer, 9)))
    w.emit("s", f"{s.queued()} queued")


@scenario()
async def pieces_stay_in_order(w):
    s, peer = await w.pair("s", small=True)
    expected = b""
    for n in range(300):
        piece = bytes([n % 256]) * (n * 7)
        expected += piece * 3
        s.write(piece)
        s.write_lines(piece, piece)
    s.write_eof()
    got = await w.elsewhere(lambda: receive_all(peer))
    w.emit("peer", f"{len(got)} bytes, all right: {got == expected}")


@scenario()
async def draining_waits_above_the_mark(w):
    s, peer = await w.pair("s", small=True)
    s.set_marks(high=2000, low=500)
    s.write(pattern(1_000_000))

    async def drain():
        await s.drain()
        w.emit("s", f"not more than the low mark: {s.queued() <= 500}")
    draining = [w.task(drain()) for _ in range(3)]
    await w.sleep(5)
    w.emit("s", "the peer reads")
    got = await w.elsewhere(lambda: receive_all(peer, 1_000_000))
    await w.join(*draining)
    w.emit("peer", got == pattern(1_000_000))


@scenario()
async def draining_does_not_wait_below_the_mark(w):
    s, _peer = await w.pair("s", small=True)
    s.set_marks(high=1_000_000)
    s.write(pattern(1_000_000))
    await s.drain()
    for less in (0, 1):
        s.set_marks(high=s.queued() - less, called=f"what is queued, less {less}")
        await s.drain(timeout=0.01)
    w.emit("s", "a lower mark")
    s.set_marks(high=1000)
    await s.drain(timeout=0.01)
    s.set_marks(high=1_000_000, low=0)  # it waits for the low mark now
    await s.drain(timeout=0.01)


@scenario()
async def marks_are_checked(w):
    s, _peer = await w.pair("s")
    s.set_marks(high=10, low=20)
    s.set_marks(high=20, low=20)
    s.set_marks(high=0)
    s.set_marks(high=1000)
    s.set_marks(low=100)
    s.set_marks()


@scenario()
async def the_other_marks_follow(w):
    s, peer = await w.pair("s", small=True)
    s.set_marks(high=4000)
    s.write(pattern(500_000))

    async def drain():
        await s.drain()
        w.emit("s", f"not more than a quarter: {s.queued() <= 1000}")
    draining = w.task(drain())
    await w.sleep(5)
    w.emit("s", "the peer reads")
    await w.elsewhere(lambda: receive_all(peer, 500_000))
    await w.join(draining)


@scenario(flawed=((3, 12), (3, 13, 1)))
async def pieces_obey_the_marks(w):
    s, peer = await w.pair("s", small=True)
    s.set_marks(high=1000)
    s.write_lines(*[pattern(100_000)] * 5)
    await s.drain(timeout=0.01)
    await w.elsewhere(lambda: receive_all(peer, 500_000))
    await s.drain()


@scenario()
async def a_cancelled_drain_loses_nothing(w):
    s, peer = await w.pair("s", small=True)
    s.write(pattern(500_000))

    async def drain():
        await s.drain()
        await s.drain()
    draining = w.task(drain())
    await w.sleep(5)
    draining.cancel()
    await w.sleep(5)
    w.emit("s", "the peer reads")
    got = await w.elsewhere(lambda: receive_all(peer, 500_000))
    await w.join(draining)
    w.emit("peer", got == pattern(500_000))


@scenario()
async def draining_after_a_reset(w):
    s, peer = await w.pair("s", small=True)
    s.write(pattern(500_000))

    async def drain():
        await s.drain()
    draining = [w.task(drain()) for _ in range(2)]
    await w.sleep(5)
    reset(peer)
    await w.join(*draining)
    await s.drain()
    s.write(b"more")


@scenario()
async def writing_to_one_who_has_gone(w):
    s, peer = await w.unix_pair("s")
    peer.close()
    differ("read-on")
    for _ in range(3):
        s.write(b"abc")
        await w.turns()
    await s.drain()


@scenario()
async def half_of_it_is_closed(w):
    s, peer = await w.pair("s")
    s.write(b"question")
    s.write_eof()
    s.write_eof()
    s.write(b"more")
    w.emit("peer", await w.elsewhere(lambda: receive_all(peer)))
    peer.sendall(b"answer")
    peer.close()
    await s.read_all()
    s.is_closing()


@scenario()
async def the_end_is_behind_what_is_queued(w):
    s, peer = await w.pair("s", small=True)
    s.write(pattern(700_000))
    s.write_eof()
    got = await w.elsewhere(lambda: receive_all(peer))
    w.emit("peer", f"{len(got)} bytes, all right: {got == pattern(700_000)}")


@scenario()
async def writing_after_the_other_side_s_end(w):
    s, peer = await w.pair("s")
    peer.shutdown(socket.SHUT_WR)
    await s.read(10)
    s.write(b"still")
    s.is_closing()
    w.emit("peer", await w.elsewhere(lambda: receive_all(peer, 5)))


@scenario()
async def a_file_is_sent(w):
    s, peer = await w.pair("s", small=True)
    path = w.file("data", pattern(300_000))
    receiving = w.task(read_to("peer", w, peer))
    s.write(b"before;")
    await s.send_file(path)
    await s.send_file(path, offset=1000, count=50)
    s.write(b";behind")
    s.write_eof()
    await w.join(receiving)


async def read_to(name, w, peer):
    got = await w.elsewhere(lambda: receive_all(peer))
    w.emit(name, f"{len(got)} bytes, ends with {got[-10:]!r}, {sum(got)}")


# --- closing

@scenario()
async def what_was_written_arrives(w):
    s, peer = await w.pair("s", small=True)
    s.write(pattern(900_000))
    s.close()
    s.close()
    s.is_closing()
    got = await w.elsewhere(lambda: receive_all(peer))
    w.emit("peer", f"{len(got)} bytes, all right: {got == pattern(900_000)}")


@scenario()
async def a_close_is_waited_for(w):
    s, peer = await w.pair("s", small=True)
    s.write(pattern(400_000))
    s.is_closing()

    async def finish():
        await s.finish()
    finishing = w.task(finish())
    await w.sleep(5)
    w.emit("s", "the peer reads")

    def read():
        got = receive_all(peer)
        peer.close()
        return got
    w.emit("peer", await w.elsewhere(read) == pattern(400_000))
    await w.join(finishing)
    s.is_closing()


@scenario()
async def aborting_discards(w):
    s, peer = await w.pair("s", small=True)
    s.write(pattern(900_000))
    s.abort()
    s.is_closing()

    def read():
        try:
            return len(receive_all(peer)) < 900_000
        except ConnectionResetError:
            return "reset"
    w.emit("peer", await w.elsewhere(read))


# --- servers and connections

async def echo(s):
    while True:
        data = await s.read(1000)
        if not data:
            break
        s.write(data)
        await s.drain()
    s.close()


@scenario()
async def an_echo_server(w):
    server = await w.serve("server", echo)
    client = await w.connect("client", *server.address)
    for word in (b"one", b"two", b"three"):
        client.write(word)
        await client.read_exactly(len(word))
    client.write_eof()
    await client.read_all()
    client.close()


@scenario()
async def several_clients(w):
    server = await w.serve("server", shout)

    async def talk(name):
        client = await w.connect(name, *server.address)
        client.write(b"one of many\n")
        await client.read_line()
        client.close()
    await w.join(*[w.task(talk(f"client {n}")) for n in range(20)])


async def shout(s):
    line = await s.read_line()
    s.write(line.upper())
    s.close()


@scenario()
async def both_ends_know_each_other(w):
    async def look(s):
        w.emit("addresses", f"the server's end: {s.local() == server.address}")
        w.known[s.peer()] = "the client"
        await s.read(10)
        s.close()
    server = await w.serve("server", look)
    client = await w.connect("client", *server.address)
    w.emit("client", f"its peer is the server: {client.peer() == server.address}")
    client.has_no_delay()
    client.write(b"now")
    await client.read(10)
    w.emit("client", w.known_as(client.local()))


@scenario()
async def a_connection_by_name(w):
    server = await w.serve("server", echo)
    client = await w.connect("client", "localhost", server.address[1])
    client.write(b"abc")
    await client.read_exactly(3)


@scenario()
async def nobody_listens(w):
    await w.connect("client", "127.0.0.1", w.closed_port())


@scenario()
async def a_connection_to_a_path(w):
    server = await w.serve_unix("server", w.path("socket"), echo)
    client = await w.connect_unix("client", w.path("socket"))
    client.write(b"abc")
    await client.read_exactly(3)
    client.close()
    server.close()
    await w.connect_unix("nobody", w.path("elsewhere"))


@scenario()
async def nobody_listens_at_a_path(w):
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(w.path("socket"))
    await w.connect_unix("client", w.path("socket"))
    await w.serve_unix("server", w.path("socket"), echo)
    client = await w.connect_unix("client", w.path("socket"))
    client.write(b"abc")
    await client.read_exactly(3)


@scenario()
async def a_path_that_is_no_socket(w):
    w.file("socket", b"")
    await w.serve_unix("server", w.path("socket"), echo)
    w.emit("file", os.path.exists(w.path("socket")))


@scenario(since=(3, 13))
async def a_path_goes_with_its_server(w):
    server = await w.serve_unix("server", w.path("socket"))
    w.emit("path", os.path.exists(w.path("socket")))
    server.close()
    await w.turns()
    w.emit("path", os.path.exists(w.path("socket")))


@scenario(since=(3, 13))
async def a_path_that_is_another_s_stays(w):
    server = await w.serve_unix("server", w.path("socket"))
    os.unlink(w.path("socket"))
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(w.path("socket"))
        server.close()
        await w.turns()
        w.emit("path", os.path.exists(w.path("socket")))


@scenario()
async def a_port_is_taken(w):
    server = await w.serve("server")
    await w.serve("other", port=server.address[1])


@scenario()
async def a_port_is_used_again(w):
    server = await w.serve("server", echo)
    host, port = server.address
    client = await w.connect("client", host, port)
    client.write(b"abc")
    await client.read_exactly(3)
    server.close()
    client.abort()
    await w.turns()
    await w.serve("other", echo, host=host, port=port)


@scenario()
async def an_address_of_another_machine(w):
    await w.serve("server", host="192.0.2.1")


@scenario()
async def a_closed_server_has_no_sockets(w):
    server = await w.serve("server", echo)
    address = server.address
    server.sockets()
    client = await w.connect("client", *address)
    client.write(b"before")
    await client.read_exactly(6)
    server.close()
    server.sockets()
    server.close()
    await w.turns()
    await w.connect("late", *address)
    client.write(b"after")
    await client.read_exactly(5)


@scenario(since=(3, 12))
async def a_server_is_waited_for(w):
    server = await w.serve("server", echo)
    peer = w.peer_of(server)
    peer.sendall(b"abc")
    w.emit("peer", await w.elsewhere(lambda: receive_all(peer, 3)))
    await server.wait_closed(timeout=0.01)
    server.close()
    await server.wait_closed(timeout=0.01)

    def end():
        peer.shutdown(socket.SHUT_WR)
        got = receive_all(peer)
        peer.close()
        return got
    w.emit("peer", await w.elsewhere(end))
    await server.wait_closed(timeout=5)


@scenario(since=(3, 12))
async def an_idle_server_is_waited_for(w):
    server = await w.serve("server", echo)
    peer = w.peer_of(server)
    peer.close()
    await w.saw("server.1", "close: ok")
    waiting = w.task(server.wait_closed())
    await w.turns()
    w.emit("server", "now")
    server.close()
    await w.join(waiting)


@scenario(since=(3, 13))
async def a_server_s_clients_are_closed(w):
    async def answer(s):
        s.write(await s.read_exactly(1))
    differ("read-closed")
    server = await w.serve("server", answer)
    peers = [w.peer_of(server) for _ in range(3)]
    for peer in peers:
        peer.sendall(b"x")
        w.emit("peer", await w.elsewhere(lambda peer=peer: receive_all(peer, 1)))
    server.close()
    server.close_clients()
    for peer in peers:
        w.emit("peer", await w.elsewhere(lambda peer=peer: receive_all(peer)))
        peer.close()
    await server.wait_closed(timeout=5)


@scenario(since=(3, 13))
async def a_server_s_clients_are_aborted(w):
    server = await w.serve("server", flood)
    peer = w.peer_of(server)
    peer.sendall(b"x")
    await w.elsewhere(lambda: peer.recv(1))
    server.close()
    server.abort_clients()
    await server.wait_closed(timeout=5)


async def flood(s):
    await s.read_exactly(1)
    s.write(pattern(20_000_000))


@scenario()
async def a_client_goes_at_once(w):
    async def read(s):
        await s.read(100)
        s.close()
    server = await w.serve("server", read)
    peer = w.peer_of(server)
    reset(peer)
    other = w.peer_of(server)
    other.sendall(b"abc")
    w.emit("other", await w.elsewhere(lambda: receive_all(other)))


@scenario()
async def a_transfer_both_ways(w):
    async def both(s):
        sending = w.task(send(also_called("server's sender", s)))
        got = await s.read_exactly(300_000)
        w.emit("server", got == pattern(300_000))
        await w.join(sending)
        s.close()

    async def send(s):
        for at in range(0, 300_000, 30_000):
            s.write(pattern(300_000)[at:at + 30_000])
            await s.drain()
    server = await w.serve("server", both)
    client = await w.connect("client", *server.address)
    sending = w.task(send(also_called("client's sender", client)))
    await client.read_exactly(300_000)
    await w.join(sending)
    await client.read_all()


# --- being pushed

@scenario()
async def data_is_pushed(w):
    p, peer = await w.pushed("p")
    peer.sendall(b"abc")
    await p.until(3)
    peer.sendall(b"defg")
    await p.until(4)
    peer.sendall(b"hi")
    peer.close()
    await p.until(99)


@scenario()
async def pushing_is_paused(w):
    p, peer = await w.pushed("p")
    peer.sendall(b"abc")
    await p.until(3)
    p.pause()
    p.pause()
    peer.sendall(b"defg")
    await w.sleep(5)
    w.emit("p", f"{len(p.got)} while it is paused")
    p.resume()
    p.resume()
    await p.until(4)


@scenario()
async def the_end_waits_while_it_is_paused(w):
    p, peer = await w.pushed("p")
    p.pause()
    peer.sendall(b"abc")
    peer.close()
    await w.sleep(5)
    w.emit("p", f"{len(p.got)} while it is paused, lost: {p.lost}")
    p.resume()
    await p.until(99)


@scenario()
async def a_pushed_connection_is_reset(w):
    p, peer = await w.pushed("p")
    peer.sendall(b"abc")
    await p.until(3)
    reset(peer)
    await p.until(99)


@scenario()
async def a_pushed_connection_answers(w):
    p, peer = await w.pushed("p")
    peer.sendall(b"abc")
    await p.until(3)
    p.write(b"thanks")
    w.emit("peer", await w.elsewhere(lambda: receive_all(peer, 6)))
    p.close()
    w.emit("peer", await w.elsewhere(lambda: receive_all(peer)))


# --- pipes

@scenario()
async def a_pipe_is_read(w):
    read, write = os.pipe()
    s = await w.read_pipe("s", os.fdopen(read, "rb"))
    os.write(write, b"one\ntwo\nthr")
    await s.read_line()
    await s.read_line()
    os.write(write, b"ee")
    os.close(write)
    await s.read_all()


@scenario()
async def a_pipe_is_written(w):
    read, write = os.pipe()
    with os.fdopen(read, "rb") as reader:
        s = await w.write_pipe("s", os.fdopen(write, "wb"))
        s.write(b"abc")
        await s.drain()
        w.emit("reader", reader.read(3))
        s.write(pattern(200_000))
        s.close()
        got = await w.elsewhere(reader.read)
        w.emit("reader", got == pattern(200_000))


@scenario()
async def a_pipe_s_reader_goes(w):
    read, write = os.pipe()
    s = await w.write_pipe("s", os.fdopen(write, "wb"))
    s.write(pattern(500_000))
    draining = w.task(s.drain())
    await w.sleep(5)
    w.emit("s", "the reader goes")
    os.close(read)
    await w.join(draining)


# --- datagrams

@scenario()
async def datagrams_keep_their_bounds(w):
    a, b = await w.udp("a"), await w.udp("b")
    for data in (b"one", b"two two", pattern(9000)):
        a.send(data, b.address)
    for _ in range(3):
        await b.receive()
    b.send(b"answer", a.address)
    await a.receive()


@scenario()
async def a_connected_socket_of_datagrams(w):
    a = await w.udp("a")
    b, stranger = await w.udp("b", remote=a.address), await w.udp("stranger")
    b.send(b"to a")
    await a.receive()
    stranger.send(b"not for b", b.address)
    a.send(b"for b", b.address)
    await b.receive()
    b.send(b"with the address", a.address)
    await a.receive()
    b.send(b"elsewhere", stranger.address)
    b.send(b"lives")
    await a.receive()


@scenario()
async def nobody_receives(w):
    a = await w.udp("a", remote=("127.0.0.1", w.closed_port()))
    a.send(b"anybody?")
    await a.receive()
    await a.receive(timeout=0.01)


@scenario()
async def a_receive_times_out(w):
    a, b = await w.udp("a"), await w.udp("b")
    await a.receive(timeout=0.01)
    b.send(b"later", a.address)
    await a.receive(timeout=5)


@scenario(since=(3, 13))  # before, asyncio did not send them
async def empty_datagrams(w):
    a, b = await w.udp("a"), await w.udp("b")
    a.send(b"", b.address)
    await b.receive()


# --- names

@scenario()
async def literal_addresses(w):
    await w.lookup("127.0.0.1", 80)
    await w.lookup("::1", 443)
    await w.lookup("192.0.2.7", "8080", numeric=True)


@scenario()
async def names_that_are_none(w):
    await w.lookup("no name", 80, numeric=True)
    await w.lookup("127.0.0.1", "no such service")
    await w.lookup("127.0.0.1", "no number", numeric=True)


@scenario()
async def names_of_addresses(w):
    await w.lookup_address("127.0.0.1", 80)
    await w.lookup_address("::1", 12345)


# --- fds

@scenario()
async def an_fd_is_watched(w):
    mine, peer = socket.socketpair()
    with mine, peer:
        w.on_fd("fd", mine.fileno(), "read", lambda: mine.recv(100))
        await w.turns()
        peer.send(b"a")
        await w.saw("fd", "read")
        peer.send(b"b")
        await w.saw("fd", "read", 2)
        w.off_fd("fd", mine.fileno(), "read")
        w.off_fd("fd", mine.fileno(), "read")
        peer.send(b"c")
        await w.sleep(5)


@scenario()
async def reader_before_writer(w):
    mine, peer = socket.socketpair()
    with mine, peer:
        w.on_fd("fd", mine.fileno(), "write", lambda: w.off_fd("fd", mine.fileno(), "write"))
        w.on_fd("fd", mine.fileno(), "read", lambda: w.off_fd("fd", mine.fileno(), "read"))
        peer.send(b"a")
        await w.turns()


@scenario()
async def a_watcher_is_replaced(w):
    mine, peer = socket.socketpair()
    with mine, peer:
        fd = mine.fileno()
        w.on_fd("first", fd, "read", lambda: w.off_fd("first", fd, "read"))
        w.on_fd("second", fd, "read", lambda: w.off_fd("second", fd, "read"))
        w.on_fd("writer", fd, "write", lambda: w.off_fd("writer", fd, "write"))
        peer.send(b"a")
        await w.saw("second", "remove read: yes")


@scenario()
async def one_callback_removes_the_other(w):
    mine, peer = socket.socketpair()
    with mine, peer:
        fd = mine.fileno()
        w.on_fd("fd", fd, "read", lambda: (w.off_fd("fd", fd, "write"), w.off_fd("fd", fd, "read")))
        w.on_fd("fd", fd, "write")
        w.off_fd("fd", fd, "write")
        peer.send(b"a")
        await w.turns()
        w.on_fd("fd", fd, "read", lambda: (w.off_fd("fd", fd, "write"), w.off_fd("fd", fd, "read")))
        w.on_fd("fd", fd, "write")
        await w.turns()


@scenario()
async def the_other_end_goes(w):
    mine, peer = socket.socketpair()
    with mine:
        w.on_fd("reader", mine.fileno(), "read", lambda: w.off_fd("reader", mine.fileno(), "read"))
        w.on_fd("writer", mine.fileno(), "write", lambda: w.off_fd("writer", mine.fileno(), "write"))
        w.off_fd("writer", mine.fileno(), "write")
        await w.turns()
        w.emit("reader", "now")
        peer.close()
        await w.saw("reader", "remove read: yes")


@scenario()
async def fds_that_cannot_be_watched(w):
    with open(w.file("file", b"x"), "rb") as file:
        w.on_fd("file", file.fileno(), "read")
    w.on_fd("closed", file_number_that_is_closed(), "read")


def file_number_that_is_closed():
    fd = os.dup(0)
    os.close(fd)
    return fd


@scenario()
async def a_number_is_used_again(w):
    mine, peer = socket.socketpair()
    other, far = socket.socketpair()
    with mine, peer, other, far:
        number = fcntl.fcntl(mine, fcntl.F_DUPFD_CLOEXEC, 200)
        w.on_fd("first", number, "read")
        w.off_fd("first", number, "read")
        os.dup2(other.fileno(), number)
        w.on_fd("second", number, "read", lambda: w.off_fd("second", number, "read"))
        peer.send(b"a")
        await w.turns()
        w.emit("second", "now")
        far.send(b"b")
        await w.turns()
        os.close(number)


@scenario()
async def plain_sockets(w):
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    with listener, socket.socket() as client:
        client.setblocking(False)
        accepting = w.task(w.accept("listener", listener))
        await w.turns()
        await w.connect_socket("client", client, listener.getsockname())
        await w.join(accepting)
        server = w.peers[-1]
        await w.send_all("client", client, b"abc")
        w.emit("server", await w.elsewhere(lambda: receive_all(server, 3)))
        server.sendall(b"defg")
        await w.receive("client", client, 2)
        await w.receive("client", client, 100)
        server.close()
        await w.receive("client", client, 100)


@scenario()
async def a_plain_socket_is_refused(w):
    with socket.socket() as client:
        client.setblocking(False)
        await w.connect_socket("client", client, ("127.0.0.1", w.closed_port()))


@scenario()
async def a_cancelled_receive_has_taken_nothing(w):
    mine, peer = socket.socketpair()
    mine.setblocking(False)
    with mine, peer:
        receiving = w.task(w.receive("socket", mine, 100))
        await w.turns()
        receiving.cancel()
        peer.send(b"abc")
        await w.join(receiving)
        await w.receive("socket", mine, 100)
        await w.receive("socket", mine, 100, timeout=0.01)


@scenario()
async def one_leaves_and_another_waits(w):
    mine, peer = socket.socketpair()
    mine.setblocking(False)
    with mine, peer:
        first = w.task(w.receive("first", mine, 100))
        await w.turns()
        first.cancel()
        second = w.task(w.receive("second", mine, 100))
        await w.turns()
        peer.send(b"abc")
        await w.join(first, second)


@scenario()
async def a_cancelled_accept_has_taken_nobody(w):
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    with listener:
        accepting = w.task(w.accept("listener", listener))
        await w.turns()
        accepting.cancel()
        await w.join(accepting)
        with socket.create_connection(listener.getsockname()):
            await w.accept("listener", listener)


@scenario()
async def much_is_sent_by_a_plain_socket(w):
    mine, peer = socket.socketpair()
    mine.setblocking(False)
    with mine, peer:
        sending = w.task(w.send_all("socket", mine, pattern(700_000)))
        got = await w.elsewhere(lambda: receive_all(peer, 700_000))
        await w.join(sending)
        w.emit("peer", got == pattern(700_000))


# --- signals

@scenario()
async def a_signal_comes(w):
    w.on_signal("usr1", signal.SIGUSR1)
    w.on_signal("usr2", signal.SIGUSR2)
    for name, number, times in (("usr1", signal.SIGUSR1, 1), ("usr2", signal.SIGUSR2, 1), ("usr1", signal.SIGUSR1, 2)):
        os.kill(os.getpid(), number)
        await w.saw(name, "signal", times)
    w.off_signal("usr1", signal.SIGUSR1)
    w.off_signal("usr1", signal.SIGUSR1)
    w.off_signal("usr2", signal.SIGUSR2)


@scenario()
async def a_signal_watcher_is_replaced(w):
    w.on_signal("first", signal.SIGUSR1)
    w.on_signal("second", signal.SIGUSR1, lambda: w.off_signal("second", signal.SIGUSR1))
    os.kill(os.getpid(), signal.SIGUSR1)
    await w.saw("second", "unwatch: yes")


@scenario()
async def signals_that_are_none(w):
    w.on_signal("kill", signal.SIGKILL)
    w.on_signal("stop", signal.SIGSTOP)
    w.on_signal("none", 1000)


# --- processes

@scenario()
async def a_child_s_exit_status(w):
    for status in (0, 1, 255):
        p = await w.spawn("p", "sh", "-c", f"exit {status}")
        await p.wait()
        await p.wait()
        p.status()


@scenario()
async def a_child_is_running(w):
    p = await w.spawn("p", "sleep", "100")
    p.status()
    await p.wait(timeout=0.01)
    p.signal(signal.SIGKILL)
    await p.wait()
    p.status()
    p.signal(signal.SIGKILL)


@scenario()
async def a_child_is_ended_by_a_signal(w):
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        p = await w.spawn("p", "sleep", "100")
        p.signal(number)
        await p.wait()


@scenario()
async def two_wait_for_a_child(w):
    p = await w.spawn("p", "cat", stdin=True)
    waiting = [w.task(p.wait()) for _ in range(2)]
    await w.turns()
    p.stdin.close()
    await w.join(*waiting)


@scenario()
async def a_wait_for_a_child_is_cancelled(w):
    p = await w.spawn("p", "cat", stdin=True)
    waiting = w.task(p.wait())
    await w.turns()
    waiting.cancel()
    await w.join(waiting)
    p.stdin.close()
    await p.wait()


@scenario()
async def programs_that_cannot_be_run(w):
    await w.spawn("missing", "/no/such/program")
    await w.spawn("name", "no-such-program-anywhere")
    await w.spawn("file", w.file("text", b"no program"))
    await w.spawn("folder", "true", cwd=w.path("nowhere"))


@scenario()
async def a_child_answers(w):
    p = await w.spawn("p", "cat", stdin=True, stdout=True)
    p.stdin.write(b"one\ntwo\n")
    await p.stdout.read_line()
    p.stdin.write(b"three")
    p.stdin.close()
    await p.stdout.read_line()
    await p.stdout.read_all()
    await p.wait()


@scenario()
async def communicating(w):
    p = await w.spawn("p", "sh", "-c", "tr a-z A-Z; echo error >&2; exit 3", stdin=True, stdout=True, stderr=True)
    await p.communicate(b"shout")


@scenario()
async def communicating_much(w):
    p = await w.spawn("p", "cat", stdin=True, stdout=True)
    await p.communicate(pattern(1_000_000))


@scenario()
async def communicating_with_one_who_does_not_read(w):
    p = await w.spawn("p", "sh", "-c", "exec <&-; echo done", stdin=True, stdout=True)
    await p.communicate(pattern(300_000))


@scenario()
async def errors_go_where_the_output_goes(w):
    p = await w.spawn("p", "sh", "-c", "echo one; echo two >&2; echo three", stdout=True, stderr="merge")
    await p.communicate()


@scenario()
async def a_child_s_surroundings(w):
    p = await w.spawn("p", "/bin/sh", "-c", "echo $HERE $HOME; pwd", stdout=True, cwd="/usr", env={"HERE": "here"})
    await p.communicate()


@scenario()
async def a_child_ends_before_its_input(w):
    p = await w.spawn("p", "true", stdin=True)
    await p.wait()
    p.stdin.write(b"anybody?")
    await w.sleep(5)


@scenario()
async def a_shell_like_pipeline(w):
    first = await w.spawn("first", "printf", "c\nb\na\n", stdout=True)
    second = await w.spawn("second", "sort", stdin=True, stdout=True)
    data = await first.stdout.read_all()
    second.stdin.write(data)
    second.stdin.close()
    await second.stdout.read_all()
    await first.wait()
    await second.wait()


