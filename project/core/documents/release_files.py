"""Making of a release, and the changes of the API since the newest release.

A release is a folder of `docs/releases`.
"""

import json
import re
from pathlib import Path

from project.core.clock import now
from project.core.web.openapi.document import schema_modules

from . import files
from .api_changes.accepted_changes import files_of_accepted_changes
from .api_changes.notice import short_notices
from .api_changes.releases import (
    OPENAPI_FILE,
    ReleaseInvalid,
    newest_release,
    parse_version,
    project_version,
    read_openapi,
    releases_folder,
)
from .api_changes.report import ApiReport, report_changes
from .database_schema import DIALECTS, migration_heads, schema_sql
from .owners import CORE


def current_report(base: str | None = None) -> ApiReport:
    """Return the changes of the API of the current application since a release.

    :param base: the version of the release; by default the newest one.
    :raises ReleaseInvalid: if the release, or an accepted change, cannot be read.
    """
    owners = files.all_owners()
    return report_changes(
        files.ROOT,
        json.loads(files.joined_openapi()),
        features=frozenset(owners.names) - {CORE},
        owners={name: owners.of_module(at) or CORE for name, at in schema_modules().items()},
        today=now().date(),
        base=base,
    )


def make_release(version: str) -> list[Path]:
    """Store the documents of a release in a new folder, and delete the accepted changes.

    :returns: the written files.
    :raises ReleaseInvalid: if a check fails. Then nothing is written or deleted.
    """
    folder, report = releases_folder(files.ROOT) / version, current_report()
    _ensure_ready(version, folder, report)
    texts = _release_texts(report)
    folder.mkdir(parents=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding='utf-8')
    # The release contains the accepted changes: they are part of the next base.
    for path in files_of_accepted_changes(files.features_folder()):
        path.unlink()
    return [folder / name for name in texts]


def _ensure_ready(version: str, folder: Path, report: ApiReport) -> None:
    wanted = parse_version(version)
    newest = newest_release(files.ROOT)
    if folder.exists() or (newest and wanted <= parse_version(newest)):
        raise ReleaseInvalid(f'{version} must be newer than {newest or "the stored release"}')
    if (declared := project_version(files.ROOT)) != version:
        raise ReleaseInvalid(f'pyproject.toml has the version {declared}, and not {version}')
    heading = re.compile(rf'^## {re.escape(version)} – \d{{4}}-\d{{2}}-\d{{2}}$', re.MULTILINE)
    if not heading.search((files.ROOT / 'CHANGELOG.md').read_text(encoding='utf-8')):
        raise ReleaseInvalid(f'CHANGELOG.md has no heading "## {version} – <year>-<month>-<day>"')
    if left := unreleased_changes():
        names = ', '.join(str(path.relative_to(files.ROOT)) for path in left)
        raise ReleaseInvalid(f'move the lines of {names} to CHANGELOG.md, and delete these files')
    if faults := [*files.find_faults(), *report.faults()]:
        raise ReleaseInvalid(f'{len(faults)} fault(s), first: {faults[0]}')
    base = read_openapi(files.ROOT, newest) if newest else None
    for fault in short_notices(base, json.loads(files.joined_openapi()), now().date()):
        raise ReleaseInvalid(fault)
    if newest and any(judged.change.is_breaking for judged in report.changes):
        _ensure_breaking_version(version, newest)


def unreleased_changes() -> list[Path]:
    """Return the files with lines for the changelog, which branches add since the newest release.

    Each branch adds a file of its own, so that branches do not conflict in the changelog.
    """
    found = sorted((files.ROOT / 'docs' / 'changes').glob('[!.]*.md'))
    return [path for path in found if path.name != files.FOLDER_PAGE]


def _ensure_breaking_version(version: str, newest: str) -> None:
    """Ensure that a version number announces breaking changes (Semantic Versioning 2.0.0)."""
    new, old = parse_version(version), parse_version(newest)
    # Before 1.0.0, the minor number announces them.
    significant = 2 if old[0] == new[0] == 0 else 1
    if new[:significant] == old[:significant]:
        part = 'minor' if significant == 2 else 'major'
        raise ReleaseInvalid(
            f'there are breaking changes since {newest}: {version} needs a higher {part} number'
        )


def _release_texts(report: ApiReport) -> dict[str, str]:
    texts = {OPENAPI_FILE: files.joined_openapi()}
    texts |= {f'schema.{dialect}.sql': schema_sql(dialect) for dialect in DIALECTS}
    heads = migration_heads()
    texts['migrations.txt'] = ''.join(f'{feature} {revision}\n' for feature, revision in heads)
    if report.base:
        no_changes = 'none\n'
        lines = ''.join(f'{judged}\n' for judged in report.changes)
        texts['api_changes.txt'] = f'Changes since {report.base}:\n\n{lines or no_changes}'
    return texts
