"""`make sure`: the run of all checks and its summary."""

import re

import pytest

from tests import all_checks
from tests.all_checks import REMEDIES, Outcome, summary
from tests.repository_copy import ROOT


class TestSummary:
    def test_begins_with_failures_and_their_remedies(self):
        text = summary(
            [
                Outcome('lint', True, 1, 'Lint: ok\n'),
                Outcome('format', False, 2.4, 'a.py would be reformatted\n'),
            ]
        )

        assert text == (
            '\n== format failed\na.py would be reformatted\nRemedy: .venv/bin/ruff format .\n'
            '\nformat         2 s  FAILED\nlint           1 s  ok\n'
        )

    def test_shows_the_end_of_a_long_output(self):
        text = summary([Outcome('lint', False, 1, ''.join(f'{n}\n' for n in range(1000)))])

        assert '\n999\n' in text
        assert len(text.splitlines()) < 80


class TestMain:
    @pytest.fixture
    def targets(self, tmp_path, monkeypatch):
        """A Makefile with a target that fails, one that passes, and one for the tests."""
        makefile = 'lint:\n\t@echo bad; exit 1\nformat:\n\t@echo good\ntest:\n\t@echo tests\n'
        (tmp_path / 'Makefile').write_text(makefile)
        monkeypatch.chdir(tmp_path)
        monkeypatch.delenv('MAKEFLAGS', raising=False)
        return ['lint', 'format', 'test']

    def test_runs_all_targets_after_a_failure_and_fails(self, targets, capfd):
        assert all_checks.main(targets) == 1

        output = capfd.readouterr().out
        assert all(part in output for part in ('good\n', 'tests\n', '== lint failed\nbad\n'))
        assert re.search(r'test +\d+ s  ok', output)

    def test_succeeds_if_all_pass(self, targets, capfd):
        assert all_checks.main(targets[1:]) == 0

        assert 'failed' not in capfd.readouterr().out

    def test_runs_targets_of_the_makefile(self):
        makefile = (ROOT / 'Makefile').read_text()

        assert [t for t in REMEDIES if not re.search(f'^{t}:', makefile, re.MULTILINE)] == []
