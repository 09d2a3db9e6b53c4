"""Holdings: what each feature keeps about a user, said once: nothing is left of who goes."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

Erase = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Holding:
    """The tables of a feature in which users occur, and how it lets go of one of them."""

    feature: str
    tables: frozenset[str]
    erase: Erase


_holdings: list[Holding] = []


def holds(feature: str, *, tables: Iterable[str]) -> Callable[[Erase], Erase]:
    """Mark the function by which a feature lets go of a user: of their rows in all these tables.

    It is called with the user's id, in the transaction that deletes them, while they are still
    there. What a table holds of them must be named by some feature: a test looks for the others.
    """

    def mark(erase: Erase) -> Erase:
        _holdings.append(Holding(feature, frozenset(tables), erase))
        return erase

    return mark


def holdings() -> list[Holding]:
    """Return what all features hold, those that stand on others first."""
    return _holdings[::-1]
