"""net_asyncio.py: the words of net.py's, spoken by asyncio."""
import asyncio
import contextlib
import errno
import signal
import socket

from differences import differ
from net import LIMIT, Net, reset, show

NAMES = {getattr(socket, name): name for name in dir(socket) if name.startswith("EAI_")}


class AsyncioNet(Net):
    name = "asyncio"

    def __init__(self, _library=None):
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.loop.set_exception_handler(lambda _loop, context: self.emit("loop", context["message"]))
        asyncio.set_event_loop(self.loop)
        self.things = []

    def play(self, scenario):
        main = self.loop.create_task(scenario(self))
        self.loop.run_until_complete(asyncio.wait([main], timeout=LIMIT))
        main.result()

    def close(self):
        self.loop.set_exception_handler(lambda _loop, _context: None)
        self.trace, kept = [], self.trace
        for thing in self.things:
            with contextlib.suppress(Exception):  # it may have ended
                thing.end()
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.run_until_complete(asyncio.sleep(0.001))
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()
        asyncio.set_event_loop(None)
        self.close_peers()
        self.trace = kept

    # --- what was answered

    def word(self, error):
        for kind, text in ((asyncio.CancelledError, "cancelled"),
                           ((asyncio.TimeoutError, TimeoutError), "timed out"),
                           (asyncio.LimitOverrunError, "too long"),
                           (ProcessLookupError, "error ESRCH"), (BrokenPipeError, "error EPIPE"),
                           (ConnectionResetError, "error ECONNRESET")):
            if isinstance(error, kind):
                return text
        if isinstance(error, asyncio.IncompleteReadError):
            return f"incomplete {show(error.partial)}"
        if isinstance(error, socket.gaierror):
            return f"error {NAMES[error.errno]}"
        if isinstance(error, OSError) and error.errno:
            return f"error {errno.errorcode[error.errno]}"
        if isinstance(error, OSError) and "could not bind on any address" in str(error):
            return "error EADDRNOTAVAIL"
        if isinstance(error, (RuntimeError, ValueError)):
            return "too long" if "limit" in str(error) and "chunk" in str(error) else "refused"
        raise error

    def say(self, result):
        return "ok" if result is None or result is True else show(result) if isinstance(result, bytes) else result

    async def awaited(self, entity, verb, awaitable, timeout=None):
        """What it gave, or None after an error."""
        try:
            result = await asyncio.wait_for(awaitable, timeout)
        except BaseException as error:
            self.emit(entity, f"{verb}: {self.word(error)}")
            return None
        self.emit(entity, f"{verb}: {self.say(result)}")
        return result

    def answer(self, entity, verb, function, *arguments):
        try:
            result = self.say(function(*arguments))
        except BaseException as error:
            result = self.word(error)
        self.emit(entity, f"{verb}: {result}")

    # --- tasks and time

    def task(self, coroutine):
        return self.loop.create_task(coroutine)

    async def join(self, *tasks):
        await asyncio.wait(tasks)

    async def turns(self, n=3):
        for _ in range(n):
            await asyncio.sleep(0)

    async def sleep(self, milliseconds):
        await asyncio.sleep(milliseconds / 1000)

    async def elsewhere(self, function):
        """In another thread."""
        return await self.loop.run_in_executor(None, function)

    # --- streams and servers

    def stream(self, name, reader, writer):
        stream = Stream(self, name, reader, writer)
        self.things.append(stream)
        return stream

    async def pair(self, name, limit=65536, small=False):
        mine, peer = self.plain_pair(small)
        return self.stream(name, *await asyncio.open_connection(sock=mine, limit=limit)), peer

    async def unix_pair(self, name):
        mine, peer = socket.socketpair()
        return self.stream(name, *await asyncio.open_unix_connection(sock=mine)), self.keep(peer)

    async def connect(self, name, host, port, timeout=None):
        return await self._connect(name, asyncio.open_connection(host, port), timeout)

    async def connect_unix(self, name, path):
        return await self._connect(name, asyncio.open_unix_connection(path))

    async def _connect(self, name, opening, timeout=None):
        try:
            ends = await asyncio.wait_for(opening, timeout)
        except BaseException as error:
            self.emit(name, f"connect: {self.word(error)}")
            return None
        self.emit(name, "connect: ok")
        return self.stream(name, *ends)

    async def serve(self, name, handler=None, host="127.0.0.1", port=0, limit=65536):
        return await self._serve(name, handler, lambda accept: asyncio.start_server(accept, host, port, limit=limit))

    async def serve_unix(self, name, path, handler=None):
        return await self._serve(name, handler, lambda accept: asyncio.start_unix_server(accept, path))

    async def _serve(self, name, handler, listen):
        server = Server(self, name, handler)
        try:
            server.server = await listen(server.accept)
        except BaseException as error:
            self.emit(name, f"listen: {self.word(error)}")
            return None
        self.things.append(server)
        self.emit(name, "listen: ok")
        return server

    async def read_pipe(self, name, file):
        reader = asyncio.StreamReader()
        transport, _ = await self.loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), file)
        return self.stream(name, reader, Half(transport))

    async def write_pipe(self, name, file):
        transport, protocol = await self.loop.connect_write_pipe(asyncio.streams.FlowControlMixin, file)
        return self.stream(name, None, asyncio.StreamWriter(transport, protocol, None, self.loop))

    async def pushed(self, name):
        """A connection whose data is pushed."""
        mine, peer = self.plain_pair()
        transport, protocol = await self.loop.create_connection(lambda: Pushed(self, name), sock=mine)
        self.things.append(protocol)
        return protocol, peer

    # --- datagrams and names

    async def udp(self, name, remote=None):
        """On the loopback, at a port of its own; remote: connected to that address."""
        _, protocol = await self.loop.create_datagram_endpoint(lambda: Datagrams(self, name), ("127.0.0.1", 0), remote)
        self.known[protocol.address] = name
        self.things.append(protocol)
        return protocol

    async def lookup(self, host, service, numeric=False):
        flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV if numeric else 0
        await self.awaited("names", f"lookup {host} {service}", self._lookup(host, service, flags))

    async def _lookup(self, host, service, flags):
        rows = await self.loop.getaddrinfo(host, service, type=socket.SOCK_STREAM, flags=flags)
        return " ".join(f"[{at[0]}]:{at[1]}" if ":" in at[0] else f"{at[0]}:{at[1]}" for *_, at in rows)

    async def lookup_address(self, host, port):
        flags = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV

        async def look():
            return " ".join(await self.loop.getnameinfo((host, port), flags))
        await self.awaited("names", f"name of {host} {port}", look())

    # --- fds and signals

    def on_fd(self, name, fd, what, action=None):
        """what: "read" or "write". Whoever watched that before no longer does."""
        def ready():
            self.emit(name, what)
            if action:
                action()
        add = self.loop.add_reader if what == "read" else self.loop.add_writer
        self.answer(name, f"add {what}", add, fd, ready)

    def off_fd(self, name, fd, what):
        removed = (self.loop.remove_reader if what == "read" else self.loop.remove_writer)(fd)
        self.emit(name, f"remove {what}: {'yes' if removed else 'no'}")

    async def receive(self, name, sock, n, timeout=None):
        return await self.awaited(name, f"receive {n}", self.loop.sock_recv(sock, n), timeout)

    async def send_all(self, name, sock, data):
        await self.awaited(name, "send all", self.loop.sock_sendall(sock, data))

    async def accept(self, name, listener, timeout=None):
        async def accept():
            return self.keep((await self.loop.sock_accept(listener))[0]) and None
        await self.awaited(name, "accept", accept(), timeout)

    async def connect_socket(self, name, sock, address):
        await self.awaited(name, "connect", self.loop.sock_connect(sock, address))

    def on_signal(self, name, number, action=None):
        def came():
            self.emit(name, "signal")
            if action:
                action()
        self.answer(name, "watch", self.loop.add_signal_handler, number, came)

    def off_signal(self, name, number):
        self.emit(name, f"unwatch: {'yes' if self.loop.remove_signal_handler(number) else 'no'}")

    # --- processes

    async def spawn(self, name, *argv, stdin=False, stdout=False, stderr=False, **options):
        """stderr: True for a pipe of its own, "merge" for where the output goes. Other streams are /dev/null."""
        pipes = {True: asyncio.subprocess.PIPE, False: asyncio.subprocess.DEVNULL, "merge": asyncio.subprocess.STDOUT}
        try:
            process = await asyncio.create_subprocess_exec(*argv, stdin=pipes[stdin], stdout=pipes[stdout],
                                                           stderr=pipes[stderr], **options)
        except BaseException as error:
            self.emit(name, f"spawn: {self.word(error)}")
            return None
        self.emit(name, "spawn: ok")
        self.things.append(Process(self, name, process))
        return self.things[-1]


class Half:
    """The writer of a stream that is only read."""

    def __init__(self, transport):
        self.transport = transport

    def close(self):
        self.transport.close()


class Stream:
    def __init__(self, net, name, reader, writer):
        self.net, self.name, self.reader, self.writer = net, name, reader, writer

    def end(self):
        self.writer.transport.abort()

    async def read(self, n, timeout=None):
        return await self.net.awaited(self.name, f"read {n}", self.reader.read(n), timeout)

    async def read_all(self, timeout=None):
        return await self.net.awaited(self.name, "read all", self.reader.read(), timeout)

    async def read_exactly(self, n, timeout=None):
        return await self.net.awaited(self.name, f"read exactly {n}", self.reader.readexactly(n), timeout)

    async def read_until(self, separator, timeout=None):
        return await self.net.awaited(self.name, f"read until {separator}", self.reader.readuntil(separator), timeout)

    async def read_line(self, timeout=None):
        return await self.net.awaited(self.name, "read line", self.reader.readline(), timeout)

    def at_eof(self):
        self.net.emit(self.name, f"at eof: {self.reader.at_eof()}")

    def write(self, data):
        self.net.answer(self.name, f"write {show(data)}", self.writer.write, data)

    def write_lines(self, *pieces):
        self.net.answer(self.name, f"write {len(pieces)} pieces", self.writer.writelines, pieces)

    async def drain(self, timeout=None):
        await self.net.awaited(self.name, "drain", self.writer.drain(), timeout)

    def set_marks(self, high=None, low=None, called=None):
        self.net.answer(self.name, f"marks {called or (high, low)}", self.writer.transport.set_write_buffer_limits,
                        high, low)

    def queued(self):
        return self.writer.transport.get_write_buffer_size()

    def write_eof(self):
        self.net.answer(self.name, "write eof", self.writer.write_eof)

    async def send_file(self, path, offset=0, count=None):
        with open(path, "rb") as file:
            sending = self.net.loop.sendfile(self.writer.transport, file, offset, count)
            await self.net.awaited(self.name, "send file", sending)

    def close(self):
        self.net.answer(self.name, "close", self.writer.close)

    def is_closing(self):
        self.net.emit(self.name, f"closing: {self.writer.is_closing()}")

    async def finish(self, timeout=None):
        """A close that is waited for."""
        async def finish():
            self.writer.close()
            await self.writer.wait_closed()
        await self.net.awaited(self.name, "finish", finish(), timeout)

    def abort(self):
        """With a reset."""
        differ("abort-resets")
        reset(self.writer.get_extra_info("socket").dup())
        self.writer.transport.abort()
        self.net.emit(self.name, "abort: ok")

    def local(self):
        return self.writer.get_extra_info("sockname")

    def peer(self):
        return self.writer.get_extra_info("peername")

    def has_no_delay(self):
        option = self.writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        self.net.emit(self.name, f"no delay: {bool(option)}")


class Server:
    def __init__(self, net, name, handler):
        self.net, self.name, self.handler = net, name, handler
        self.count = 0

    def end(self):
        self.server.close()

    async def accept(self, reader, writer):
        self.count += 1
        stream = self.net.stream(f"{self.name}.{self.count}", reader, writer)
        if self.handler:
            await self.handler(stream)

    @property
    def address(self):
        return self.server.sockets[0].getsockname()

    def sockets(self):
        self.net.emit(self.name, f"sockets: {len(self.server.sockets)}")

    def close(self):
        self.net.answer(self.name, "close", self.server.close)

    def close_clients(self):
        self.server.close_clients()

    def abort_clients(self):
        self.server.abort_clients()

    async def wait_closed(self, timeout=None):
        await self.net.awaited(self.name, "wait closed", self.server.wait_closed(), timeout)


class Pushed(asyncio.Protocol):
    def __init__(self, net, name):
        self.net, self.name = net, name
        self.got = bytearray()
        self.changed = asyncio.Event()
        self.lost = False

    def connection_made(self, transport):
        self.transport = transport

    def end(self):
        self.transport.abort()

    def data_received(self, data):
        self.got += data
        self.changed.set()

    def eof_received(self):
        self.net.emit(self.name, f"end after {show(bytes(self.got))}")
        self.got.clear()
        self.lost = True
        self.changed.set()

    def connection_lost(self, error):
        if error or not self.lost:
            self.net.emit(self.name, f"lost: {self.net.word(error) if error else 'closed'}")
        self.lost = True
        self.changed.set()

    async def until(self, n):
        """n bytes have come, or the connection is lost."""
        while len(self.got) < n and not self.lost:
            self.changed.clear()
            await self.changed.wait()
        if len(self.got) >= n:
            self.net.emit(self.name, f"has {show(bytes(self.got))}")
            self.got.clear()

    def pause(self):
        self.net.answer(self.name, "pause", self.transport.pause_reading)

    def resume(self):
        self.net.answer(self.name, "resume", self.transport.resume_reading)

    def write(self, data):
        self.net.answer(self.name, f"write {show(data)}", self.transport.write, data)

    def close(self):
        self.net.answer(self.name, "close", self.transport.close)


class Datagrams(asyncio.DatagramProtocol):
    def __init__(self, net, name):
        self.net, self.name = net, name
        self.queue = asyncio.Queue()

    def connection_made(self, transport):
        self.transport = transport
        self.address = transport.get_extra_info("sockname")

    def end(self):
        self.transport.close()

    def datagram_received(self, data, address):
        self.queue.put_nowait(f"{show(data)} from {self.net.known_as(address)}")

    def error_received(self, error):
        self.queue.put_nowait(self.net.word(error))

    def send(self, data, address=None):
        self.net.answer(self.name, f"send {show(data)}", self.transport.sendto, data, address)

    async def receive(self, timeout=None):
        await self.net.awaited(self.name, "receive", self.queue.get(), timeout)

    def close(self):
        self.net.answer(self.name, "close", self.transport.close)


class Process:
    def __init__(self, net, name, process):
        self.net, self.name, self.process = net, name, process
        self.stdin = net.stream(f"{name}.stdin", None, process.stdin) if process.stdin else None
        self.stdout = self._output("stdout", 1)
        self.stderr = self._output("stderr", 2)

    def _output(self, name, number):
        reader = getattr(self.process, name)
        if not reader:
            return None
        return self.net.stream(f"{self.name}.{name}", reader, Half(self.process._transport.get_pipe_transport(number)))

    def end(self):
        if self.process.returncode is None:
            self.process.kill()
            self.net.loop.run_until_complete(self.process.wait())
        self.process._transport.close()

    def say(self, status):
        if status is None:
            return "running"
        if status < 0:
            differ("exit-status")
            return f"ended by {signal.Signals(-status).name}"
        return f"exit {status}"

    def status(self):
        self.net.emit(self.name, self.say(self.process.returncode))

    async def wait(self, timeout=None):
        async def wait():
            return self.say(await self.process.wait())
        await self.net.awaited(self.name, "wait", wait(), timeout)

    async def communicate(self, data=None):
        async def communicate():
            return " ".join(show(part) for part in await self.process.communicate(data) if part is not None)
        await self.net.awaited(self.name, "communicate", communicate())
        self.status()

    def signal(self, number):
        self.net.answer(self.name, f"signal {signal.Signals(number).name}", self.process.send_signal, number)
