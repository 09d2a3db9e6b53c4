"""`make rename`: the places of the name, and names that are rejected."""

import re
import shutil
import subprocess

import pytest

from tests.complete_copy import git
from tests.rename_project import (
    PLACES,
    RenameImpossible,
    current_name,
    ensure_clean,
    ensure_valid_name,
    ensure_valid_title,
    renamed_texts,
    title_for,
    title_of,
)
from tests.repository_copy import ROOT

# The names with which this template is delivered, written so that this file does not contain them.
DELIVERED = [
    separator.join(words)
    for separator, words in (
        ('-', ('large', 'flask', 'api')),
        (' ', ('Large', 'Flask', 'API')),
        (' ', ('Flask', 'API', '<')),
        (' ', ('image:', 'flask-api')),
    )
]
# Pages about the history of the template.
HISTORY = ('CHANGELOG.md', 'docs/adr/', 'docs/releases/')


@pytest.fixture
def copy(tmp_path):
    """Return a folder with copies of the files that contain the name."""
    for path in {place.path for place in PLACES}:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, tmp_path / path)
    return tmp_path


class TestRenamedTexts:
    def test_replace_the_name_and_the_title_at_all_places(self, copy):
        texts = renamed_texts(copy, 'acme-billing', 'ACME Billing')

        assert set(texts) == {place.path for place in PLACES}
        assert '\nname = "acme-billing"\n' in texts['pyproject.toml']
        assert texts['README.md'].startswith('# ACME Billing\n')
        assert "TITLE = 'ACME Billing'" in texts['project/core/web/openapi/document.py']
        assert texts['docker-compose.yml'].count('ACME Billing <no-reply@localhost>') == 1

    def test_are_empty_the_second_time(self, copy):
        for path, text in renamed_texts(copy, 'acme', 'Acme').items():
            (copy / path).write_text(text, encoding='utf-8')

        assert current_name(copy) == 'acme'
        assert renamed_texts(copy, 'acme', 'Acme') == {}

    def test_leave_no_delivered_name_in_any_file(self):
        changed = renamed_texts(ROOT, 'zz-acme', 'Zz Acme')
        left = []
        for path in git(ROOT, 'ls-files', '-z').split('\0')[:-1]:
            # `flask api write` generates these files from the renamed ones.
            is_generated = re.fullmatch(r'docs/features/\w+\.(md|openapi\.json)', path)
            if is_generated or path.startswith(HISTORY) or not (ROOT / path).is_file():
                continue
            text = changed.get(path) or (ROOT / path).read_bytes().decode('utf-8', 'replace')
            left += [f'{path}: {name}' for name in DELIVERED if name in text]

        assert left == []

    def test_are_rejected_without_the_place(self, copy):
        (copy / 'README.md').write_text('No title\n')

        with pytest.raises(RenameImpossible, match=r'README\.md has no line'):
            renamed_texts(copy, 'acme', 'Acme')


class TestEnsureValidName:
    @pytest.mark.parametrize(
        'name', ['', 'Acme', 'acme_billing', 'acme--x', '-acme', '1acme', 'a' * 41, 'a b', "a'b"]
    )
    def test_rejects_a_name_that_no_image_may_have(self, name):
        with pytest.raises(RenameImpossible, match='NAME must be lower-case letters'):
            ensure_valid_name(name, ROOT)

    @pytest.mark.parametrize('name', ['project', 'flask', 'pytest'])
    def test_rejects_the_name_of_another_package(self, name):
        with pytest.raises(RenameImpossible, match=f'{name} is the name of another package'):
            ensure_valid_name(name, ROOT)


class TestEnsureValidTitle:
    @pytest.mark.parametrize('title', ['A "quoted" one', 'a\nb', 'x <y>', 'x' * 61, ' '])
    def test_rejects_a_title_that_needs_quotes(self, title):
        with pytest.raises(RenameImpossible, match='TITLE must be letters'):
            ensure_valid_title(title)

    def test_rejects_a_title_that_no_sender_of_mails_may_have(self):
        with pytest.raises(RenameImpossible, match='TITLE is also the name of the sender'):
            ensure_valid_title('Acme Inc. API')

    def test_accepts_the_title_of_a_name(self):
        ensure_valid_title(title_of('acme-billing'))

        assert title_of('acme-billing') == 'Acme Billing'


class TestTitleFor:
    def test_keeps_the_title_of_the_same_name(self, copy):
        for path, text in renamed_texts(copy, 'acme', 'ACME Billing').items():
            (copy / path).write_text(text, encoding='utf-8')

        assert title_for('acme', '', copy) == 'ACME Billing'
        assert title_for('acme', 'Other', copy) == 'Other'
        assert title_for('other-api', '', copy) == 'Other Api'


class TestMakeRename:
    def test_gives_the_program_a_title_with_a_quote(self, tmp_path):
        (tmp_path / '.venv' / 'bin').mkdir(parents=True)
        (tmp_path / 'requirements').mkdir()
        for path in ('requirements/app.txt', 'pyproject.toml', '.venv/installed', '.env'):
            (tmp_path / path).touch()
        shutil.copyfile(ROOT / 'Makefile', tmp_path / 'Makefile')
        program = tmp_path / '.venv' / 'bin' / 'python'
        program.write_text('#!/bin/sh\nprintf "%s: %s" "$NAME" "$TITLE"; exit 1\n')
        program.chmod(0o755)

        command = ['make', '--silent', 'rename', 'NAME=acme', "TITLE=Ada's API"]
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

        assert ended.stdout == "acme: Ada's API", ended.stderr


class TestEnsureClean:
    def test_rejects_changes_and_a_folder_without_git(self, tmp_path):
        with pytest.raises(RenameImpossible, match='no git repository'):
            ensure_clean(tmp_path)
        git(tmp_path, 'init', '--quiet')
        ensure_clean(tmp_path)
        (tmp_path / 'new.txt').touch()
        with pytest.raises(RenameImpossible, match='the work tree has changes'):
            ensure_clean(tmp_path)
