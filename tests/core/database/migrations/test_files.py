"""Revisions that are read from files of migrations without running them."""

import re

import pytest

from project.core.database.migrations.files import (
    revision_pattern,
    revisions_in_files,
    written_revision,
)
from project.core.database.migrations.folders import script_directory


class TestWrittenRevision:
    @pytest.mark.parametrize(
        'line',
        [
            "revision = 'a1'",
            'revision = "a1"',
            "revision: str = 'a1'",
            "revision: str | None='a1'  # the newest one",
        ],
    )
    def test_returns_the_revision_of_each_form(self, line):
        text = f'"""Docs."""\n\n{line}\ndown_revision = ("b2", "c3")\ndepends_on = None\n'

        assert written_revision(text) == ('a1', ('b2', 'c3'))
        assert re.search(revision_pattern('a1'), text, re.MULTILINE)
        assert not re.search(revision_pattern('b2'), text, re.MULTILINE)

    @pytest.mark.parametrize('text', ['', 'revision = 5', 'revision = name', 'revision = (', 'x=1'])
    def test_returns_none_for_other_files(self, text):
        assert written_revision(text) is None


class TestRevisionsInFiles:
    def test_finds_the_migrations_that_alembic_finds(self, app):
        with app.app_context():
            wanted = {each.revision for each in script_directory().walk_revisions()}

        assert revisions_in_files().keys() == wanted
