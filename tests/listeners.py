"""Servers that accept connections and say little, for time limits of clients."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def listener(greeting: bytes = b'') -> Iterator[int]:
    """Accept connections on a port, send a greeting to each, and never answer. Gives the port."""
    accepted = []
    with socket.create_server(('127.0.0.1', 0)) as server:

        def accept() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                accepted.append(connection)
                connection.sendall(greeting)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            # Wakes the thread that accepts; to close the socket does not.
            server.shutdown(socket.SHUT_RDWR)
            thread.join(5)
            for connection in accepted:
                connection.close()
