"""Tests of features use the test kit, and the check finds tests that do not."""

import pytest

from tests import kit_borders
from tests.repository_copy import ROOT

TESTS = 'tests/zz_bill/test_bills.py'
CLOCK = 'use the fixture travel(days=3)'
QUERIES = 'use the fixture queries(max=1)'
STORAGE = 'use the fixture storage_failing(after=0)'
LOGIN = 'use the fixture as_user(), as_key(scopes=…) or bearer(token)'
MAILS = 'use the fixture mailbox.latest()'
RESPONSES = "call data(response) or fails_with(response, 'field') of tests.kit.responses"

# For each rule: code of the second line that violates it, and the remedy.
VIOLATIONS = (
    ('import time_machine', CLOCK),
    ('from time_machine import travel', CLOCK),
    ("monkeypatch.setattr('project.core.clock.now', lambda: NOON)", CLOCK),
    ("monkeypatch.setattr(service, 'now', lambda: NOON)", CLOCK),
    ("patch('project.zz_bill.service.now')", CLOCK),
    ("event.listen(db.engine, 'before_cursor_execute', record)", QUERIES),
    ('class Full(LocalStorage): \n    def save(self, path, key): raise OSError', STORAGE),
    ("monkeypatch.setattr(LocalStorage, 'delete', fail)", STORAGE),
    ("patch.object(storage.LocalStorage, 'delete')", STORAGE),
    ("monkeypatch.setattr('project.core.storage.local.LocalStorage.delete', fail)", STORAGE),
    ("client.environ_base['HTTP_AUTHORIZATION'] = 'Bearer x'", LOGIN),
    ("monkeypatch.setitem(app.extensions, 'identify', {}.get)", LOGIN),
    ('from email import message_from_bytes', MAILS),
    ("monkeypatch.setitem(app.extensions, 'mail', mails.append)", MAILS),
    ("assert response.json['data'] == {'text': ['Missing']}", RESPONSES),
)

# Code that no rule may report.
ALLOWED = (
    "monkeypatch.setattr(service, 'BATCH_ROWS', 2)",
    "monkeypatch.setattr('project.core.storage.s3.ABANDONED_AFTER_SECONDS', -60)",
    "monkeypatch.setitem(app.config, 'ZZ_BILL_LIMIT', 1)",
    'class Both(FallbackStorage):\n    """Two storages with the same folder."""',
    'from project.core.clock import now',
    "client.post(URL, headers={'Authorization': 'Basic x'})",
    "fails_with(client.post(URL, json={'data': 1}), 'data')",
)


@pytest.fixture
def plant(tmp_path):
    """Return a function that writes a module of the tests of a feature; it returns the root."""

    def plant(code, path=TESTS):
        for place, text in {
            'project/zz_bill/__init__.py': 'requires = ()\n',
            'config/base.py': '',
            path: f'"""A module."""\n{code}\n',
        }.items():
            file = tmp_path / place
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return tmp_path

    return plant


class TestKitBypasses:
    def test_finds_nothing_in_the_repository(self):
        assert kit_borders.kit_bypasses(ROOT) == []

    @pytest.mark.parametrize(('code', 'remedy'), VIOLATIONS, ids=[row[0] for row in VIOLATIONS])
    def test_names_the_file_the_line_the_rule_and_the_remedy(self, plant, code, remedy):
        [rule] = [rule for rule in kit_borders.RULES if rule.remedy == remedy]

        assert kit_borders.kit_bypasses(plant(code)) == [
            f'{TESTS}:2: {rule.what}. Remedy: {remedy}.'
        ]

    @pytest.mark.parametrize('folder', kit_borders.SHARED_FOLDERS)
    def test_checks_tests_across_features(self, plant, folder):
        [found] = kit_borders.kit_bypasses(
            plant('import time_machine', f'tests/{folder}/test_a.py')
        )

        assert found.startswith(f'tests/{folder}/test_a.py:2: ')

    @pytest.mark.parametrize('code', ALLOWED)
    def test_finds_nothing_in_allowed_code(self, plant, code):
        assert kit_borders.kit_bypasses(plant(code)) == []

    def test_has_a_violation_of_each_rule(self):
        assert {remedy for _, remedy in VIOLATIONS} == {rule.remedy for rule in kit_borders.RULES}
