"""Servers that accept connections and send little, for the time limits of clients."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Queue


@contextmanager
def listener(greeting: bytes = b'') -> Iterator[int]:
    """Accept connections on a port and send a greeting to each. Yields the port."""
    with accepting_server(greeting) as (port, _):
        yield port


@contextmanager
def accepting_server(greeting: bytes = b'') -> Iterator[tuple[int, Queue[socket.socket]]]:
    """Like `listener`. Yields the port and the accepted connections."""
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
            # Wakes the thread that accepts; closing the socket does not.
            server.shutdown(socket.SHUT_RDWR)
            thread.join(5)
            for connection in accepted:
                connection.close()
