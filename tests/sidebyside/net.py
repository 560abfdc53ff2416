"""net.py: what the two networked worlds share. net_asyncio.py and net_evloop.py speak the same words beyond it.

A scenario is a coroutine. In AsyncioNet it is a task; EvloopNet runs it itself, every await an operation of evloop's.
Whatever is asked of a thing is written down under the thing's name, with the answer. Time is real, but nothing that is
compared depends on it; sockets that the scenario holds itself are plain ones of Python's, the same in both worlds."""
import copy
import os
import shutil
import socket
import struct
import tempfile
import zlib

LIMIT = 10  # seconds that a scenario may take


def show(data):
    return repr(data) if len(data) <= 40 else f"{len(data)} bytes of sum {zlib.crc32(data):08x}"


class Net:
    def __init__(self):
        self.trace = []
        self.peers = []     # plain sockets
        self.folder = None
        self.known = {}     # the names of addresses, since ports are others in the other world

    def emit(self, entity, what):
        self.trace.append((0, 0, entity, str(what)))

    async def saw(self, entity, what, times=1):
        """Waits until it has been written down."""
        while sum(event[2:] == (entity, what) for event in self.trace) < times:
            await self.turns(1)

    def close_peers(self):
        for peer in self.peers:
            peer.close()
        if self.folder:
            shutil.rmtree(self.folder)

    def known_as(self, address):
        return self.known.get(address, "somebody")

    def path(self, name):
        self.folder = self.folder or tempfile.mkdtemp(prefix="side")
        return os.path.join(self.folder, name)

    def file(self, name, content):
        with open(self.path(name), "wb") as file:
            file.write(content)
        return self.path(name)

    # --- plain sockets

    def keep(self, peer):
        peer.settimeout(LIMIT)
        self.peers.append(peer)
        return peer

    def plain_pair(self, small=False):
        """Two ends of a TCP connection: the world's and the scenario's. small: hardly anything fits in between."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            if small:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            mine = socket.create_connection(listener.getsockname())
            peer = self.keep(listener.accept()[0])
        if small:
            mine.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        return mine, peer

    def peer_of(self, server):
        """Connects to a server of the world's."""
        return self.keep(socket.create_connection(server.address))

    def closed_port(self):
        """A port on which nobody listens."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            return listener.getsockname()[1]


def also_called(name, stream):
    """The same stream, for another task to use: what each sees is in its own order."""
    other = copy.copy(stream)
    other.name = name
    return other


def reset(peer):
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def receive_all(peer, n=-1):
    """n bytes, or until the end."""
    got = bytearray()
    while n < 0 or len(got) < n:
        part = peer.recv(65536 if n < 0 else min(65536, n - len(got)))
        if not part:
            break
        got += part
    return bytes(got)


def pattern(n):
    return bytes(range(251)) * (n // 251) + bytes(range(n % 251))
