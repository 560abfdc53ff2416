#!/usr/bin/env python3
"""The echo server by coroutines does what the one on watchers does."""
import echo_server
from support.programs import Program, connect, equal, main, receive_exactly


def by_coroutines(name, *args, **kwargs):
    return Program(f"cpp/{name}", *args, **kwargs)


echo_server.Program = by_coroutines


def a_port_that_is_taken(backend):
    server = by_coroutines("echo_server", backend=backend)
    port = server.port()
    second = by_coroutines("echo_server", str(port), backend=backend)
    status, _, errors = second.end()
    equal((status, errors), (1, "echo_server: address in use\n"), "the second server")
    with connect(port) as client:  # who is answered knows that the server has come to wait for signals
        client.sendall(b"there?")
        equal(receive_exactly(client, 6), b"there?", "an echo")
    equal(server.stop()[0], 0, "the first server")


if __name__ == "__main__":
    main(echo_server.a_hundred_clients, echo_server.slow_readers, echo_server.clients_that_vanish,
         echo_server.more_clients_than_fds, a_port_that_is_taken)
