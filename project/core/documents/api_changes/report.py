"""The report of `flask api diff`: all changes since a release, and those not accepted."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from .accepted_changes import SUFFIX, Reasons, later_sunset, read_reasons, reason_to_accept
from .changes import Change, compare_documents
from .releases import newest_release, read_openapi
from .schema_values import Document

MAX_SHOWN_ROUTES = 3


class JudgedChange(NamedTuple):
    """A change, and the reason why it is accepted if it is breaking.

    :param sunset: the date until which a release has promised the routes, if it is in the future.
    """

    change: Change
    reason: str | None
    sunset: date | None = None

    @property
    def is_accepted(self) -> bool:
        """Return whether the change is compatible, or breaking and accepted."""
        return not self.change.is_breaking or self.reason is not None

    @property
    def verdict(self) -> str:
        """Return the verdict for the report."""
        if not self.change.is_breaking:
            return 'compatible'
        if self.reason:
            return f'breaking, accepted: {self.reason}'
        return f'breaking, before the sunset {self.sunset}' if self.sunset else 'breaking'

    def __str__(self) -> str:
        """Return the line of the report."""
        text, routes = self.change.text, self.change.routes
        others = [route for route in routes if route not in text]
        shown = ', '.join(others[:MAX_SHOWN_ROUTES])
        if len(others) > MAX_SHOWN_ROUTES:
            shown += f' and {len(others) - MAX_SHOWN_ROUTES} more'
        place = f' ({shown})' if shown else ''
        return f'{self.change.feature}: {text}{place}: {self.verdict}'

    def as_row(self) -> dict[str, Any]:
        """Return the change for JSON."""
        change = self.change
        return {
            'feature': change.feature, 'change': change.text, 'routes': change.routes,
            'breaking': change.is_breaking, 'accepted': self.is_accepted, 'reason': self.reason,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class ApiReport:
    """All changes since a release.

    :param base: the version of the release; None if there is no release yet.
    :param unused: features and texts of accepted changes that did not happen.
    """

    base: str | None
    changes: tuple[JudgedChange, ...] = ()
    unused: tuple[tuple[str, str], ...] = ()

    @property
    def rejected(self) -> list[JudgedChange]:
        """Return the breaking changes that are not accepted."""
        return [judged for judged in self.changes if not judged.is_accepted]

    def faults(self) -> list[str]:
        """Return a line for each breaking change that is not accepted, and for unused entries."""
        remedy = 'see `flask api diff` and docs/releases.md'
        return [
            *(f'{judged} since {self.base}: {remedy}' for judged in self.rejected),
            *(
                f'docs/features/{feature}{SUFFIX}: there is no breaking change {text!r} since '
                f'{self.base}: delete the line'
                for feature, text in self.unused
            ),
        ]


def report_changes(
    root: Path,
    document: Document,
    *,
    features: frozenset[str],
    owners: Mapping[str, str],
    today: date,
    base: str | None = None,
) -> ApiReport:
    """Return the changes of an OpenAPI document since a release.

    :param base: the version of the release; by default the newest one.
    :raises ReleaseInvalid: if the release or an entry cannot be read.
    """
    base = base or newest_release(root)
    if base is None:
        return ApiReport(None)
    old = read_openapi(root, base)
    reasons = read_reasons(root / 'docs' / 'features')
    changes = compare_documents(old, document, features=features, owners=owners)
    return ApiReport(base, *_judge(changes, old, reasons, today))


def _judge(
    changes: list[Change], base: Document, reasons: Reasons, today: date
) -> tuple[tuple[JudgedChange, ...], tuple[tuple[str, str], ...]]:
    judged = tuple(
        JudgedChange(c, reason_to_accept(c, base, reasons, today), later_sunset(c, base, today))
        if c.is_breaking
        else JudgedChange(c, None)
        for c in changes
    )
    used = {(c.feature, c.text) for c in changes if c.is_breaking}
    return judged, tuple(sorted(set(reasons) - used))


def entry_for(change: Change) -> str:
    """Return the line that accepts a change, for a file of accepted changes."""
    # A JSON string is also a TOML string.
    return f'{json.dumps(change.text, ensure_ascii=False)} = "the reason"'
