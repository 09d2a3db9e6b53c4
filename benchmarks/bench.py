"""Input of all scenarios: the two compared applications, the amounts of load, and the folders."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.servers import Server
from benchmarks.sides import Side


@dataclass(frozen=True)
class Options:
    """Amounts of load and data. `transfer_size` is the size of the large test file in bytes."""

    rounds: int = 5
    seconds: float = 3.0
    connections: int = 8
    few_users: int = 10_000
    many_users: int = 1_000_000
    transfer_size: int = 1 << 30
    downloads: int = 4
    logins: int = 60


QUICK = Options(rounds=3, seconds=1.0, many_users=100_000, transfer_size=1 << 27, logins=3)


@dataclass(frozen=True)
class Bench:
    """The two compared applications (`naive`, `ours`), the amounts of load, and the folders.

    `disk` and `memory` are folders for uploads. `memory` is in RAM, or None if the machine has no
    such folder.
    """

    naive: Side
    ours: Side
    options: Options
    disk: Path
    memory: Path | None

    @property
    def sides(self) -> tuple[Side, Side]:
        return self.naive, self.ours

    def grow(self, users: int) -> None:
        """Insert users into the databases of both applications until each has `users` users."""
        for side in self.sides:
            side.grow(users)

    @contextmanager
    def serving(self, files: Path) -> Iterator[list[tuple[Side, Server]]]:
        """Start both applications, which store uploads in the folder `files`."""
        with ExitStack() as stack:
            yield [(side, stack.enter_context(side.serve(files))) for side in self.sides]
