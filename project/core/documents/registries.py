"""Rows for the generated tables of models, permissions, tokens, tasks, mails and attempt counters.

Each function yields the rows of one table, each with its owner, from the registry of the things.
"""

import inspect
from collections.abc import Iterator
from datetime import timedelta

from project.core.checks import Check, ConfigCheck, DoctorCheck, HealthCheck, checks
from project.core.database.session import Base
from project.core.features import PROJECT
from project.core.mail.previews import mail_templates
from project.core.metrics import metrics
from project.core.security.key_usage import encrypted_values, expiring_values
from project.core.security.permissions import registered_permissions
from project.core.security.tokens import token_kinds, token_owners
from project.core.tasks.registry import registered_tasks
from project.core.throttling import DAY, attempt_counters

from .owners import Owners


def model_rows(owners: Owners) -> Iterator[tuple[str | None, tuple[str, ...]]]:
    """Yield owner, and name and purpose, of each table of the database."""
    models = {mapper.class_.__tablename__: mapper.class_ for mapper in Base.registry.mappers}
    for table, model in sorted(models.items()):
        yield owners.of_module(model.__module__), (f'`{table}`', _summary(model))


def permission_rows(owners: Owners) -> Iterator[tuple[str | None, tuple[str, ...]]]:
    """Yield owner, and name, meaning and holders, of each permission."""
    for name, permission in registered_permissions().items():
        holders = 'all users' if permission.is_default else 'roles that include it'
        row = (f'`{name}`', permission.meaning, holders)
        yield owners.of_module(permission.owner), row


def token_rows(owners: Owners) -> Iterator[tuple[str | None, tuple[str, ...]]]:
    """Yield owner, and prefix and meaning, of each kind of tokens."""
    for prefix, kind in token_kinds().items():
        yield owners.of_module(token_owners()[prefix]), (f'`{prefix}_`', kind.meaning)


def task_rows(owners: Owners) -> Iterator[tuple[str | None, tuple[str, ...]]]:
    """Yield owner, and name, purpose, queue, schedule and attempts, of each registered task."""
    for task in registered_tasks():
        runs = _schedule_text(task.schedule.rule) if task.schedule else 'when enqueued'
        row = f'`{task.name}`', _summary(task.function), task.queue, runs, str(task.attempts)
        yield owners.of_module(task.function.__module__), row


def mail_rows(owners: Owners) -> Iterator[tuple[str | None, tuple[str, ...]]]:
    """Yield owner, and name and example of the subject, of each mail."""
    for mail in mail_templates():
        package = mail.folder.relative_to(PROJECT).parts[0]
        yield owners.of_module(f'project.{package}'), (f'`{mail.name}`', mail.subject)


def counter_rows(owners: Owners) -> Iterator[tuple[str | None, tuple[str, ...]]]:
    """Yield owner, and name, limits, recovery and reset command, of each attempt counter."""
    for counter in attempt_counters():
        row = (
            f'`{counter.name}`',
            counter.scope,
            f'{counter.limit} in {_duration(counter.period)}',
            f'{counter.attempts_per_account_and_day:,}' if counter.targets_per_account else '—',
            counter.recovery,
            f'`{counter.command}`',
        )
        yield owners.of_module(counter.owner), row


def key_rows(owners: Owners) -> Iterator[tuple[str | None, tuple[str, ...]]]:
    """Yield owner, and name, effect of a lost key and remedy, of all data under `SECRET_KEY`."""
    for encrypted in encrypted_values():
        row = (encrypted.name, encrypted.effect, '`flask secrets rotate`')
        yield owners.of_module(encrypted.used_in), row
    for values in expiring_values():
        kept = (
            f'waiting for {_lifetime(values.lifetime)}'
            if values.lifetime
            else 'nothing; they do not expire'
        )
        yield owners.of_module(values.used_in), (values.name, values.effect, kept)


def metric_rows(owners: Owners) -> Iterator[tuple[str | None, tuple[str, ...]]]:
    """Yield owner, and name, kind, labels and meaning, of each metric."""
    for name, metric in metrics.values.items():
        labels = ', '.join(f'`{label}`' for label in metric.labels) or '—'
        yield owners.of_module(metrics.owner_of(name)), (
            f'`{name}`', metric.kind, labels, metric.meaning
        )  # fmt: skip


def check_rows(owners: Owners) -> Iterator[tuple[str | None, tuple[str, ...]]]:
    """Yield owner, and name, moments, purpose and remedy, of each check."""
    for name, check in checks.values.items():
        row = f'`{name}`', ', '.join(check.moments), _purpose(check), check.remedy
        yield owners.of_module(checks.owner_of(name)), row


def _purpose(check: Check) -> str:
    """Return the purpose of a check: the summary of its function, and of that of `flask doctor`."""
    if isinstance(check, ConfigCheck):
        return 'Check the settings; a fault prevents the start.'
    if isinstance(check, DoctorCheck):
        return _summary(check.function)
    functions = [check.function, check.inspect] if isinstance(check, HealthCheck) else []
    return ' `flask doctor`: '.join(_summary(each) for each in functions if each)


def _summary(definition: object) -> str:
    """Return the first paragraph of a docstring on one line."""
    return ' '.join((inspect.getdoc(definition) or '').partition('\n\n')[0].split())


def _schedule_text(rule: str) -> str:
    """Return a schedule for readers: `every 5 minutes` for `every 300 s`; cron rules unchanged."""
    seconds = rule.removeprefix('every ').removesuffix(' s')
    if not rule.startswith('every '):
        return f'`{rule}` (UTC)'
    minutes = float(seconds) / 60
    if minutes == 1:
        return 'every minute'
    return f'every {minutes:g} minutes' if minutes > 1 else rule


def _lifetime(period: timedelta) -> str:
    minutes = period / timedelta(minutes=1)
    return f'{minutes / 60:g} hours' if minutes >= 60 else f'{minutes:g} minutes'


def _duration(period: timedelta) -> str:
    return 'a day' if period == DAY else f'{period // timedelta(minutes=1)} minutes'
