#!/usr/bin/env python3
"""The select-style server: queues in order, urgent data ahead of them, and a queue that outlives the client's half."""
import random
import socket
import threading

from support.programs import Program, connect, equal, main, receive_all, receive_exactly, same_bytes


def many_clients(backend):
    server = Program("select_server", backend=backend)
    port = server.port()
    rng = random.Random(3)
    clients = [connect(port) for _ in range(50)]
    messages = [rng.randbytes(30000) for _ in clients]
    for client, message in zip(clients, messages):
        client.sendall(message)
    for client, message in zip(clients, messages):
        same_bytes(receive_exactly(client, len(message)), message, "a message")
    for client in clients:
        client.close()
    for _ in clients:
        server.line("done")
    server.kill()


def urgent_data(backend):
    server = Program("select_server", backend=backend)
    client = connect(server.port())
    for byte in b"!?":
        client.send(bytes([byte]), socket.MSG_OOB)
        answer = f"[urgent {chr(byte)}]"
        server.line(r"client \d+: " + answer.replace("[", r"\[").replace("?", r"\?"))
        equal(receive_exactly(client, len(answer)), answer.encode(), "the answer to an urgent byte")
    client.sendall(b"as ever")
    equal(receive_exactly(client, 7), b"as ever", "a message after urgent bytes")
    client.close()
    server.line("done")
    server.kill()


def urgent_data_goes_ahead(backend):
    """Of all that is queued: more than the kernel's buffers hold, for a client that does not read yet."""
    server = Program("select_server", backend=backend)
    client = connect(server.port(), receive_buffer=4096)
    data = random.Random(4).randbytes(7 << 20).replace(b"[", b"(")
    client.sendall(data)
    client.send(b"!", socket.MSG_OOB)
    client.shutdown(socket.SHUT_WR)
    server.line(r"client \d+: \[urgent !\]")  # only now is anything read
    answer = receive_all(client)
    before, marker, after = answer.partition(b"[urgent !]")
    same_bytes(before + after, data, "the messages around the urgent one")
    equal(marker, b"[urgent !]", "the urgent one")
    if not after:
        raise AssertionError("the urgent byte was answered last")
    server.line("done")
    server.kill()


def a_half_that_ends(backend):
    server = Program("select_server", backend=backend)
    client = connect(server.port())
    data = random.Random(5).randbytes(20 << 20)  # beyond the limit of the queue too

    def send():
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    same_bytes(receive_all(client), data, "everything, and then the end")
    sender.join()
    server.line("done")
    server.kill()


if __name__ == "__main__":
    main(many_clients, urgent_data, urgent_data_goes_ahead, a_half_that_ends)
