"""Accepted breaking changes: endpoints after their sunset date, and entries with a reason.

The entries of a feature are in `docs/features/<feature>.breaking.toml`. Each line has a change, as
`flask api diff` prints it without the feature, and the reason why it is accepted:

    "DELETE /api/v1/files/{file_id} was removed" = "It deleted files without the trash."
"""

import tomllib
from collections.abc import Mapping
from datetime import date
from pathlib import Path

from .changes import Change
from .operations import sunset_of
from .releases import ReleaseInvalid
from .schema_values import Document

SUFFIX = '.breaking.toml'

# The reasons of accepted changes, by feature and text.
Reasons = Mapping[tuple[str, str], str]


def read_reasons(folder: Path) -> dict[tuple[str, str], str]:
    """Return the reasons of accepted breaking changes, by feature and text of the change.

    :param folder: the folder with the files of all features.
    :raises ReleaseInvalid: if a file is not valid, or a change has no reason.
    """
    found = {}
    for path in files_of_accepted_changes(folder):
        try:
            entries = tomllib.loads(path.read_text(encoding='utf-8'))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ReleaseInvalid(f'docs/features/{path.name} is not TOML: {error}') from error
        for text, reason in entries.items():
            if not isinstance(reason, str) or not reason.strip():
                raise ReleaseInvalid(f'docs/features/{path.name}: {text!r} needs a reason')
            found[path.name.removesuffix(SUFFIX), text] = reason.strip()
    return found


def files_of_accepted_changes(folder: Path) -> list[Path]:
    """Return the files with accepted breaking changes, sorted."""
    return sorted(folder.glob(f'[!.]*{SUFFIX}'))


def reason_to_accept(change: Change, base: Document, reasons: Reasons, today: date) -> str | None:
    """Return why a breaking change is accepted, or None if it is not.

    :param base: the document of the earlier release.
    """
    if reason := reasons.get((change.feature, change.text)):
        return reason
    sunsets = _sunsets(change, base)
    if sunsets and all(sunset <= today for sunset in sunsets):
        return f'deprecated in the earlier release, sunset {max(sunsets)}'
    return None


def later_sunset(change: Change, base: Document, today: date) -> date | None:
    """Return the date until which clients may use all changed routes, or None.

    :param base: the document of the earlier release, which announced the date.
    """
    sunsets = _sunsets(change, base)
    return max(sunsets) if sunsets and max(sunsets) > today else None


def _sunsets(change: Change, base: Document) -> list[date]:
    """Return the sunset date of each changed route; an empty list if one of them has none."""
    found = [_sunset(base, route) for route in change.routes]
    dates = [sunset for sunset in found if sunset is not None]
    return dates if len(dates) == len(found) else []


def _sunset(base: Document, route: str) -> date | None:
    method, _, path = route.partition(' ')
    return sunset_of(base['paths'].get(path, {}).get(method.lower(), {}))
