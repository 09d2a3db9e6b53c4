"""Each registered check fails for a real cause. The tests of each feature list the causes."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from config.testing import TestingConfig
from project.core.checks import Check, ConfigCheck, Finding, Situation, State, checks, reason_of
from project.core.doctor.running import findings_of, to_rows
from tests.core.apps import kernel_app
from tests.core.failing_checks import FAILURES, TESTED_ELSEWHERE
from tests.failing_checks import Failure, Preparation
from tests.feature_modules import feature_modules

ALL = (
    *FAILURES,
    *(each for module in feature_modules('failing_checks') for each in module.FAILURES),
)


@pytest.fixture
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Preparation]:
    """Yield the means to prepare a cause; end all servers afterwards."""
    with ExitStack() as stack:
        yield Preparation(tmp_path, monkeypatch, stack)


class TestEachCheck:
    def test_has_a_failure(self) -> None:
        listed = {failure.check for failure in ALL} | TESTED_ELSEWHERE

        missing = {
            f'{name}: add a cause to failing_checks.py in the tests of {checks.owner_of(name)}'
            for name in checks.values.keys() - listed
            if checks.owner_of(name).startswith('project.')
        }

        assert missing == set()
        assert listed <= checks.values.keys()

    @pytest.mark.parametrize('failure', ALL, ids=lambda failure: f'{failure.check}: {failure.seen}')
    def test_fails(self, failure: Failure, prepared: Preparation) -> None:
        settings = failure.prepare(prepared)
        check = checks.values[failure.check]

        found = list(findings(check, settings, prepared))

        rows = to_rows(((failure.check, finding) for finding in found), is_deploy=True)
        failed = [row for row in rows if row.state is State.FAILED]
        assert any(re.search(failure.seen, row.seen) for row in failed), rows
        assert all(row.remedy and '\n' not in row.seen for row in failed)


def findings(check: Check, settings: Any, prepared: Preparation) -> Iterator[Finding]:
    """Run a check with these settings, in the application context of a new application."""
    if isinstance(check, ConfigCheck):
        config = {name: getattr(TestingConfig, name) for name in dir(TestingConfig)}
        for fault in check.find_faults({**config, 'DEBUG': False, **settings}):
            yield Finding(State.FAILED, fault)
        return
    app = prepared.stack.enter_context(kernel_app(prepared.folder, **settings))
    situation = replace(Situation(config=app.config, var=prepared.folder), **prepared.situation)
    with app.app_context():
        try:
            if prepared.options:
                yield from check.function(situation, **prepared.options)  # type: ignore[attr-defined]
            else:
                yield from findings_of(check, situation)
        except Exception as error:
            yield Finding(State.FAILED, reason_of(error))
