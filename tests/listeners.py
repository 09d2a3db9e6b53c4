"""Servers that accept connections and send at most a greeting, to test time limits of clients."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Queue


@contextmanager
def listener(greeting: bytes = b'') -> Iterator[int]:
    """Run a server that accepts connections and sends a greeting; yield its port."""
    with accepting_server(greeting) as (port, _):
        yield port


@contextmanager
def accepting_server(greeting: bytes = b'') -> Iterator[tuple[int, Queue[socket.socket]]]:
    """Run a server that accepts connections and sends a greeting.

    Yields its port, and a queue of the accepted connections.
    """
    connections: Queue[socket.socket] = Queue()
    with socket.create_server(('127.0.0.1', 0)) as server:

        def accept() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                accepted.append(connection)
                connection.sendall(greeting)
                connections.put(connection)

        accepted: list[socket.socket] = []
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1], connections
        finally:
            # This connection wakes the thread that waits in `accept`; closing the socket would not.
            server.shutdown(socket.SHUT_RDWR)
            thread.join(5)
            for connection in accepted:
                connection.close()
