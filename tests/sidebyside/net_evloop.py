"""net_evloop.py: the words of net.py's, spoken by evloop."""
import ctypes
import os
import signal
import socket
import threading

import evl
from differences import differ
from net import LIMIT, Net, show

ROOM = 1 << 22  # what read_all may give


class Operation:
    """What a coroutine awaits: start(op) begins it, and its result comes back."""

    def __init__(self, start, timeout=None):
        self.start, self.timeout = start, timeout

    def __await__(self):
        return (yield self)


class Task:
    """Runs a coroutine, from one operation to the next."""

    def __init__(self, net, coroutine):
        self.net, self.coroutine = net, coroutine
        self.begun = False
        self.op = evl.Op()
        self.done = net.lib.make(net.lib.future_new, net.loop)
        self.token = net.token_of(self.step)
        net.lib.op_init(self.op, net.done_fn, self.token, 0)
        net.lib.check(net.lib.defer(net.loop, self.op))

    def step(self, result):
        try:
            wanted = self.coroutine.send(result if self.begun else None)
            self.begun = True
        except StopIteration:
            self.net.lib.future_resolve(self.done, 0)
            return
        rc = wanted.start(self.op)
        if rc < 0:  # it is told as what it would have completed with
            self.net.later(lambda: self.step(rc))
        elif wanted.timeout is not None:
            deadline = self.net.lib.time(self.net.loop) + int(wanted.timeout * 1e9)
            self.net.lib.check(self.net.lib.op_deadline(self.op, deadline))

    def cancel(self):
        self.net.lib.op_cancel(self.op)


class Address:
    """A struct sockaddr, from (host, port) or from a function that writes one."""

    def __init__(self, lib, address=None, written=None):
        self.lib = lib
        self.bytes = ctypes.create_string_buffer(evl.ADDRESS_SIZE)
        self.length = ctypes.c_uint32(evl.ADDRESS_SIZE)
        if address:
            lib.check(lib.address_parse(address[0].encode(), address[1], self.bytes, evl.ADDRESS_SIZE, self.length))
        elif written:
            self.length.value = lib.check(written(self.bytes, evl.ADDRESS_SIZE))

    def text(self):
        text = ctypes.create_string_buffer(evl.ADDRESS_TEXT)
        self.lib.check(self.lib.address_text(self.bytes, self.length, text, evl.ADDRESS_TEXT))
        return text.value.decode()

    def tuple(self):
        host, _, port = self.text().rpartition(":")
        return host.strip("[]"), int(port)


class EvloopNet(Net, evl.Callbacks):
    name = "evloop"

    def __init__(self, lib):
        Net.__init__(self)
        evl.Callbacks.__init__(self)
        self.lib = lib
        self.tasks = []
        self.watchers = {}
        self.children = []
        options = evl.Options(struct_size=ctypes.sizeof(evl.Options), poll_interval=1)
        self.loop = lib.make(lambda out: lib.loop_new(out, ctypes.byref(options)))

    def play(self, scenario):
        main = self.task(scenario(self))
        outcome = self.lib.loop_run_until(self.loop, self.lib.make(self.lib.wait_for, main.done, LIMIT * 10**9), None)
        self.raise_failure()
        if outcome < 0:
            raise evl.Refused(self.lib.name_of(outcome), outcome)

    def close(self):
        for task in self.tasks:
            self.lib.op_close(task.op)
            task.coroutine.close()
        for child in self.children:
            self.lib.process_kill(child, signal.SIGKILL)
        self.lib.loop_destroy(self.loop)
        self.close_peers()
        self.raise_failure()

    def later(self, function):
        self.lib.check(self.lib.call_soon(self.loop, self.fn, self.token_of(function)))

    # --- what was answered

    def word(self, rc):
        return {evl.ECANCELED: "cancelled", evl.ETIMEDOUT: "timed out", evl.EMSGSIZE: "too long", evl.EBUSY: "refused",
                evl.EINVAL: "refused", evl.EISCONN: "refused"}.get(rc, f"error {self.lib.name_of(rc)}")

    def tell(self, entity, verb, rc, say=lambda rc: "ok"):
        """Writes it down; what say made of it, or None after an error."""
        result = say(rc) if rc >= 0 else None
        text = self.word(rc) if rc < 0 else show(result) if isinstance(result, bytes) else result
        self.emit(entity, f"{verb}: {text}")
        return result

    async def awaited(self, entity, verb, start, say=lambda rc: "ok", timeout=None):
        return self.tell(entity, verb, await Operation(start, timeout), say)

    # --- tasks and time

    def task(self, coroutine):
        self.tasks.append(Task(self, coroutine))
        return self.tasks[-1]

    async def join(self, *tasks):
        for task in tasks:
            await Operation(lambda op, task=task: self.lib.future_wait(task.done, op))

    async def turns(self, n=3):
        for _ in range(n):
            await Operation(lambda op: self.lib.defer(self.loop, op))

    async def sleep(self, milliseconds):
        await Operation(lambda op: self.lib.sleep(self.loop, op, milliseconds * 1_000_000))

    async def elsewhere(self, function):
        """In another thread."""
        future, result = self.lib.make(self.lib.future_new, self.loop), []

        def run():
            try:
                result.append(function())
            except BaseException as error:
                result.append(error)
            self.lib.future_post(future, 0)
        thread = threading.Thread(target=run)
        self.lib.loop_hold(self.loop)
        thread.start()
        await Operation(lambda op: self.lib.future_wait(future, op))
        self.lib.loop_unhold(self.loop)
        thread.join()
        if isinstance(result[0], BaseException):
            raise result[0]
        return result[0]

    # --- streams and servers

    def opened(self, name, fd, limit=65536):
        return Stream(self, name, self.lib.make(self.lib.stream_open, self.loop, fd, 0), limit)

    async def pair(self, name, limit=65536, small=False):
        mine, peer = self.plain_pair(small)
        return self.opened(name, mine.detach(), limit), peer

    async def unix_pair(self, name):
        mine, peer = socket.socketpair()
        return self.opened(name, mine.detach()), self.keep(peer)

    async def connect(self, name, host, port, timeout=None):
        return await self._connect(name, lambda op, out: self.lib.connect(
            self.loop, op, host.encode(), str(port).encode(), None, out), timeout)

    async def connect_unix(self, name, path):
        return await self._connect(name, lambda op, out: self.lib.connect_unix(self.loop, op, path.encode(), out))

    async def _connect(self, name, start, timeout=None):
        out = ctypes.c_void_p()
        if await self.awaited(name, "connect", lambda op: start(op, out), timeout=timeout):
            return Stream(self, name, out.value)
        return None

    async def serve(self, name, handler=None, host="127.0.0.1", port=0, limit=65536):
        return self._serve(name, handler, limit, lambda out: self.lib.server_listen(
            self.loop, host.encode(), str(port).encode(), None, out))

    async def serve_unix(self, name, path, handler=None):
        return self._serve(name, handler, 65536, lambda out: self.lib.server_listen_unix(
            self.loop, path.encode(), None, out))

    def _serve(self, name, handler, limit, listen):
        out = ctypes.c_void_p()
        if not self.tell(name, "listen", listen(out)):
            return None
        return Server(self, name, out.value, handler, limit)

    async def read_pipe(self, name, file):
        with file:
            return self.opened(name, os.dup(file.fileno()))

    write_pipe = read_pipe

    async def pushed(self, name):
        mine, peer = self.plain_pair()
        return Pushed(self, name, self.lib.make(self.lib.stream_open, self.loop, mine.detach(), 0)), peer

    # --- datagrams and names

    async def udp(self, name, remote=None):
        udp = Datagrams(self, name, remote)
        self.known[udp.address] = name
        return udp

    async def lookup(self, host, service, numeric=False):
        out = ctypes.c_void_p()
        flags = evl.NAME_NUMERIC_HOST | evl.NAME_NUMERIC_SERVICE if numeric else 0

        def say(count):
            texts = []
            for n in range(count):
                address = Address(self.lib)
                found = self.lib.addresses_at(out, n, address.length)
                ctypes.memmove(address.bytes, found, address.length.value)
                texts.append(address.text())
            self.lib.addresses_free(out)
            return " ".join(texts)
        await self.awaited("names", f"lookup {host} {service}", lambda op: self.lib.getaddrinfo(
            self.loop, op, host.encode(), str(service).encode(), flags, out), say)

    async def lookup_address(self, host, port):
        address = Address(self.lib, (host, port))
        names = [ctypes.create_string_buffer(200) for _ in range(2)]
        flags = evl.NAME_NUMERIC_HOST | evl.NAME_NUMERIC_SERVICE
        await self.awaited("names", f"name of {host} {port}", lambda op: self.lib.getnameinfo(
            self.loop, op, address.bytes, address.length, flags, names[0], 200, names[1], 200),
            lambda _: " ".join(name.value.decode() for name in names))

    # --- fds and signals

    def on_fd(self, name, fd, what, action=None):
        def ready(_mask):
            self.emit(name, what)
            if action:
                action()
        differ("many-watchers")
        self._unwatch((fd, what))
        out = ctypes.c_void_p()
        rc = self.lib.io_new(self.loop, fd, evl.READ if what == "read" else evl.WRITE, 0, self.done_fn,
                             self.token_of(ready), out)
        if self.tell(name, f"add {what}", rc):
            self.watchers[fd, what] = out.value

    def _unwatch(self, key):
        watcher = self.watchers.pop(key, None)
        return watcher is not None and self.lib.check(self.lib.close(watcher)) == 0

    def off_fd(self, name, fd, what):
        self.emit(name, f"remove {what}: {'yes' if self._unwatch((fd, what)) else 'no'}")

    async def _socket(self, name, verb, sock, mask, call, timeout=None):
        """Python's own call, whenever it may succeed."""
        differ("socket-calls")
        while True:
            try:
                result = call()
                self.emit(name, f"{verb}: {show(result) if isinstance(result, bytes) else 'ok'}")
                return result
            except BlockingIOError:
                rc = await Operation(lambda op: self.lib.wait_fd(self.loop, op, sock.fileno(), mask), timeout)
            if rc < 0:
                return self.tell(name, verb, rc)

    async def receive(self, name, sock, n, timeout=None):
        return await self._socket(name, f"receive {n}", sock, evl.READ, lambda: sock.recv(n), timeout)

    async def send_all(self, name, sock, data):
        rest = bytearray(data)

        def send():
            while rest:
                del rest[:sock.send(rest)]
        await self._socket(name, "send all", sock, evl.WRITE, send)

    async def accept(self, name, listener, timeout=None):
        def accept():
            self.keep(listener.accept()[0])
        await self._socket(name, "accept", listener, evl.READ, accept, timeout)

    async def connect_socket(self, name, sock, address):
        differ("socket-calls")
        rc = -sock.connect_ex(address)
        if rc == evl.EINPROGRESS:
            await Operation(lambda op: self.lib.wait_fd(self.loop, op, sock.fileno(), evl.WRITE))
            rc = -sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        self.tell(name, "connect", rc)

    def on_signal(self, name, number, action=None):
        def came(_count):
            self.emit(name, "signal")
            if action:
                action()
        self._unwatch(number)
        out = ctypes.c_void_p()
        if self.tell(name, "watch", self.lib.signal_new(self.loop, number, self.done_fn, self.token_of(came), out)):
            self.watchers[number] = out.value

    def off_signal(self, name, number):
        self.emit(name, f"unwatch: {'yes' if self._unwatch(number) else 'no'}")

    # --- processes

    async def spawn(self, name, *argv, stdin=False, stdout=False, stderr=False, cwd=None, env=None):
        stdio = (evl.Stdio * 3)(
            (evl.STDIO_PIPE_TO if stdin else evl.STDIO_NULL, 0), (evl.STDIO_PIPE_FROM if stdout else evl.STDIO_NULL, 0),
            {True: (evl.STDIO_PIPE_FROM, 0), False: (evl.STDIO_NULL, 0), "merge": (evl.STDIO_LIKE, 1)}[stderr])
        words = [os.fsencode(word) for word in argv]
        options = evl.ProcessOptions(struct_size=ctypes.sizeof(evl.ProcessOptions), flags=evl.PROCESS_QUIET,
                                     file=words[0], args=texts(words), cwd=cwd and os.fsencode(cwd), stdio=stdio,
                                     stdio_count=3)
        if env is not None:
            options.env = texts([f"{key}={value}".encode() for key, value in env.items()])
        out = ctypes.c_void_p()
        rc = self.lib.process_spawn(self.loop, ctypes.byref(options), evl.DONE_FN(0), None, out)
        if not self.tell(name, "spawn", rc):
            return None
        self.children.append(out.value)
        return Process(self, name, out.value, (stdin, stdout, stderr is True))


def lent(lib, stream):
    """The bytes that a stream has read."""
    data = ctypes.c_void_p()
    n = lib.check(lib.stream_peek(stream, data))
    return ctypes.string_at(data, n) if n else b""


def texts(words):
    return (ctypes.c_char_p * (len(words) + 1))(*words, None)


class Stream:
    def __init__(self, net, name, handle, limit=65536):
        self.net, self.lib, self.name, self.handle, self.limit = net, net.lib, name, handle, limit
        self.id = self.lib.id(handle)
        self.ended = False

    async def _read(self, verb, start, room, timeout, is_line=False):
        buffer = ctypes.create_string_buffer(max(room, 1))
        result = await Operation(lambda op: start(op, buffer), timeout)
        if result == evl.EEOF:
            differ("rest-stays")
            self.net.emit(self.name, f"{verb}: incomplete {show(self.take())}")
            return None
        if result == evl.EMSGSIZE and is_line:
            differ("rest-stays")
            self.take(up_to=b"\n")
        return self.net.tell(self.name, verb, result, lambda n: buffer.raw[:n])

    def take(self, up_to=None):
        """What has been read and not been taken; only up to a byte if that is there."""
        data = lent(self.lib, self.handle)
        if up_to:
            data = data[:data.find(up_to) + 1] or data
        self.lib.check(self.lib.stream_consume(self.handle, len(data)))
        return data

    async def read(self, n, timeout=None):
        if n == 0:
            differ("read-nothing")
            self.net.emit(self.name, f"read 0: {b''!r}")
            return b""
        return await self._read(f"read {n}", lambda op, to: self.lib.stream_read(self.handle, op, to, n), n, timeout)

    async def read_all(self, timeout=None):
        return await self._read("read all", lambda op, to: self.lib.stream_read_all(self.handle, op, to, ROOM), ROOM,
                                timeout)

    async def read_exactly(self, n, timeout=None):
        return await self._read(f"read exactly {n}", lambda op, to: self.lib.stream_read_exactly(
            self.handle, op, to, n), n, timeout)

    async def read_until(self, separator, timeout=None):
        """One separator, or several in a tuple."""
        several = separator if isinstance(separator, tuple) else (separator,)
        separators = (evl.Buf * len(several))(*[(text, len(text)) for text in several])
        differ("limits")
        room = self.limit + max(map(len, several))
        return await self._read(f"read until {separator}", lambda op, to: self.lib.stream_read_until(
            self.handle, op, to, room, separators, len(several)), room, timeout)

    async def read_line(self, timeout=None):
        differ("limits")
        room = self.limit + 1
        return await self._read("read line", lambda op, to: self.lib.stream_read_line(self.handle, op, to, room), room,
                                timeout, is_line=True)

    def info(self):
        info = evl.StreamInfo(struct_size=ctypes.sizeof(evl.StreamInfo))
        self.lib.check(self.lib.stream_get_info(self.handle, ctypes.byref(info)))
        return info

    def at_eof(self):
        info = self.info()
        self.net.emit(self.name, f"at eof: {bool(info.eof and not info.unread)}")

    def _wrote(self, verb, rc, expected):
        if rc == evl.EPIPE and self.ended:
            rc = evl.EINVAL
        if rc >= 0 and rc != expected:
            rc = evl.EAGAIN
        if rc < 0 and rc not in (evl.EINVAL, evl.EAGAIN):
            differ("write-errors")
            rc = 0
        self.net.tell(self.name, verb, rc)

    def write(self, data):
        self._wrote(f"write {show(data)}", self.lib.stream_write(self.handle, data, len(data)), len(data))

    def write_lines(self, *pieces):
        bufs = (evl.Buf * len(pieces))(*[(piece, len(piece)) for piece in pieces])
        self._wrote(f"write {len(pieces)} pieces", self.lib.stream_writev(self.handle, bufs, len(pieces)),
                    sum(map(len, pieces)))

    async def drain(self, timeout=None):
        await self.net.awaited(self.name, "drain", lambda op: self.lib.stream_drain(self.handle, op), timeout=timeout)

    def set_marks(self, high=None, low=None, called=None):
        if high is None:
            differ("high-mark")
        wanted_high = high if high is not None else 65536 if low is None else 4 * low
        rc = self.lib.stream_set_marks(self.handle, wanted_high, evl.AUTO if low is None else low, 0)
        self.net.tell(self.name, f"marks {called or (high, low)}", rc)

    def queued(self):
        return self.lib.check(self.lib.stream_queued(self.handle))

    def write_eof(self):
        self.ended = True
        self.net.tell(self.name, "write eof", self.lib.stream_write_eof(self.handle))

    async def send_file(self, path, offset=0, count=None):
        with open(path, "rb") as file:
            await self.net.awaited(self.name, "send file", lambda op: self.lib.stream_sendfile(
                self.handle, op, file.fileno(), offset, count or 0), lambda n: n)

    def close(self):
        self.net.tell(self.name, "close", self.lib.close(self.handle) if self.is_open() else 0)

    def is_open(self):
        return self.lib.lookup(self.net.loop, self.id) is not None

    def is_closing(self):
        differ("closed-at-once")
        self.net.emit(self.name, f"closing: {not self.is_open()}")

    async def finish(self, timeout=None):
        differ("shutdown-first")
        await self.net.awaited(self.name, "finish", lambda op: self.lib.stream_shutdown(self.handle, op),
                               timeout=timeout)
        self.lib.close(self.handle)

    def abort(self):
        self.net.tell(self.name, "abort", self.lib.stream_abort(self.handle))

    def local(self):
        return Address(self.lib, written=lambda to, cap: self.lib.stream_local(self.handle, to, cap)).tuple()

    def peer(self):
        return Address(self.lib, written=lambda to, cap: self.lib.stream_peer(self.handle, to, cap)).tuple()

    def has_no_delay(self):
        with socket.socket(fileno=os.dup(self.info().fd)) as sock:
            self.net.emit(self.name, f"no delay: {bool(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))}")


class Server:
    def __init__(self, net, name, handle, handler, limit):
        self.net, self.lib, self.name, self.handle, self.handler = net, net.lib, name, handle, handler
        self.limit, self.count = limit, 0
        self.lib.check(self.lib.server_on_connection(handle, net.done_fn, net.token_of(self.accept)))

    def accept(self, _waiting):
        out = ctypes.c_void_p()
        while self.lib.server_accept(self.handle, out) == 0:
            self.count += 1
            stream = Stream(self.net, f"{self.name}.{self.count}", out.value, self.limit)
            if self.handler:
                self.net.task(self.handler(stream))

    @property
    def address(self):
        return Address(self.lib, written=lambda to, cap: self.lib.server_local(self.handle, 0, to, cap)).tuple()

    def sockets(self):
        self.net.emit(self.name, f"sockets: {self.lib.server_sockets(self.handle)}")

    def close(self):
        self.net.tell(self.name, "close", self.lib.server_stop(self.handle))

    def close_clients(self):
        self.lib.check(self.lib.server_close_clients(self.handle))

    def abort_clients(self):
        self.lib.check(self.lib.server_abort_clients(self.handle))

    async def wait_closed(self, timeout=None):
        await self.net.awaited(self.name, "wait closed", lambda op: self.lib.server_on_idle(self.handle, op),
                               timeout=timeout)


class Pushed:
    def __init__(self, net, name, handle):
        self.net, self.lib, self.name, self.handle = net, net.lib, name, handle
        self.got = bytearray()
        self.lost = False
        self.waiting = None
        self.lib.check(self.lib.stream_on_data(handle, net.done_fn, net.token_of(self.came)))

    def came(self, n):
        if n > 0:
            self.got += lent(self.lib, self.handle)
        else:
            self.net.emit(self.name, f"lost: {self.net.word(n)}" if n else f"end after {show(bytes(self.got))}")
            self.lost = True
        if self.waiting:
            waiting, self.waiting = self.waiting, None
            self.lib.future_resolve(waiting, 0)

    async def until(self, n):
        while len(self.got) < n and not self.lost:
            self.waiting = future = self.lib.make(self.lib.future_new, self.net.loop)
            await Operation(lambda op: self.lib.future_wait(future, op))
        if len(self.got) >= n:
            self.net.emit(self.name, f"has {show(bytes(self.got))}")
            self.got.clear()

    def pause(self):
        self.net.tell(self.name, "pause", self.lib.stream_pause(self.handle))

    def resume(self):
        self.net.tell(self.name, "resume", self.lib.stream_resume(self.handle))

    def write(self, data):
        self.net.tell(self.name, f"write {show(data)}", self.lib.stream_write(self.handle, data, len(data)))

    def close(self):
        self.net.tell(self.name, "close", self.lib.close(self.handle))
        if not self.lost:
            differ("closed-at-once")
            self.net.emit(self.name, "lost: closed")
        self.lost = True


class Datagrams:
    def __init__(self, net, name, remote):
        self.net, self.lib, self.name = net, net.lib, name
        local = Address(self.lib, ("127.0.0.1", 0))
        self.handle = self.lib.make(self.lib.udp_open, net.loop, local.bytes, local.length, 0)
        if remote:
            to = Address(self.lib, remote)
            self.lib.check(self.lib.udp_connect(self.handle, to.bytes, to.length))
        self.address = Address(self.lib, written=lambda to, cap: self.lib.udp_local(self.handle, to, cap)).tuple()

    def send(self, data, address=None):
        to = Address(self.lib, address) if address else None
        rc = self.lib.udp_send(self.handle, data, len(data), to and to.bytes, to.length if to else 0)
        self.net.tell(self.name, f"send {show(data)}", rc)

    async def receive(self, timeout=None):
        buffer, sender = ctypes.create_string_buffer(65536), Address(self.lib)
        await self.net.awaited(self.name, "receive", lambda op: self.lib.udp_receive(
            self.handle, op, buffer, 65536, sender.bytes, sender.length),
            lambda n: f"{show(buffer.raw[:n])} from {self.net.known_as(sender.tuple())}", timeout)

    def close(self):
        self.net.tell(self.name, "close", self.lib.close(self.handle))


class Process:
    def __init__(self, net, name, handle, pipes):
        self.net, self.lib, self.name, self.handle = net, net.lib, name, handle
        self.stdin, self.stdout, self.stderr = (self._pipe(n, pipes[n]) for n in range(3))

    def _pipe(self, n, wanted):
        if not wanted:
            return None
        fd = self.lib.check(self.lib.process_take_fd(self.handle, n))
        return self.net.opened(f"{self.name}.{('stdin', 'stdout', 'stderr')[n]}", fd)

    def say(self, _status=0):
        ended_by = self.lib.process_signal(self.handle)
        if ended_by == evl.EAGAIN:
            return "running"
        if ended_by > 0:
            differ("exit-status")
            return f"ended by {signal.Signals(ended_by).name}"
        return f"exit {self.lib.process_exit_code(self.handle)}"

    def status(self):
        self.net.emit(self.name, self.say())

    async def wait(self, timeout=None):
        await self.net.awaited(self.name, "wait", lambda op: self.lib.process_wait(self.handle, op), self.say, timeout)

    async def communicate(self, data=None):
        """All at once, as asyncio does it: it is made of what evloop has."""
        differ("communicate")
        outputs = {}

        async def feed():
            if data:
                self.lib.stream_write(self.stdin.handle, data, len(data))
            self.lib.close(self.stdin.handle)

        async def collect(stream):
            buffer = ctypes.create_string_buffer(ROOM)
            n = await Operation(lambda op: self.lib.stream_read_all(stream.handle, op, buffer, ROOM))
            outputs[stream] = buffer.raw[:self.lib.check(n)]
        streams = [stream for stream in (self.stdout, self.stderr) if stream]
        tasks = [self.net.task(collect(stream)) for stream in streams]
        if self.stdin:
            tasks.append(self.net.task(feed()))
        await self.net.join(*tasks)
        await Operation(lambda op: self.lib.process_wait(self.handle, op))
        self.net.emit(self.name, f"communicate: {' '.join(show(outputs[stream]) for stream in streams)}")
        self.status()

    def signal(self, number):
        rc = self.lib.process_kill(self.handle, number)
        self.net.tell(self.name, f"signal {signal.Signals(number).name}", rc)
