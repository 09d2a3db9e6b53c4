"""What every scenario is given: the two sides, how much of everything, and where files may lie."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.servers import Server
from benchmarks.sides import Side


@dataclass(frozen=True)
class Options:
    """How much of everything."""

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
    """The two sides under one roof. `memory` is a folder in RAM, where the machine has one."""

    naive: Side
    ours: Side
    options: Options
    disk: Path
    memory: Path | None

    @property
    def sides(self) -> tuple[Side, Side]:
        return self.naive, self.ours

    def grow(self, users: int) -> None:
        """Have so many users on both sides."""
        for side in self.sides:
            side.grow(users)

    @contextmanager
    def serving(self, files: Path) -> Iterator[list[tuple[Side, Server]]]:
        """Run both servers, storing what is uploaded under one folder."""
        with ExitStack() as stack:
            yield [(side, stack.enter_context(side.serve(files))) for side in self.sides]
