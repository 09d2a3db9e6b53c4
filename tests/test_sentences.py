"""The check of sentences: each pattern finds its construction, and correct sentences pass."""

import subprocess

import pytest

from tests.sentences import PATTERNS, changed_files, issues, main

# By the meaning of each pattern: sentences that the pattern must find.
REPORTED = {
    'a person without a noun': ['The file is given to who asks.', 'Whoever has it may read.'],
    'a clause instead of a noun': ['Return a copy of what is stored.', 'What waits is done.'],
    'a quantity without a figure': ['One call in so many deletes old rows.'],
    'a negation in the noun': ['Reject an id that is none.', 'Ignore lines which are no headers.'],
    'a rare conjunction': ['Copy it, lest it be lost.', 'All routes but for one are closed.'],
    'a condition before its subject': ['Run a second time, it mails nothing.'],
    'a metaphor': ['The service is a house of two floors.', 'Let go of the row.'],
    'an object that stands or lies': ['The file lies in the storage.'],
    'a docstring that wishes': ['Have a PIN mailed.', 'Tell whether it is open.'],
    'an actor without a name': ['A file of somebody else.', 'Nobody waits.'],
    'a refusal': ['Refuse the request.'],
    'a machine that speaks': ['The guard is asked first.', 'The proxy says so.'],
}
CORRECT = [
    'Return the stored object, or None.',
    'A client that waits for longer gets 503.',
    'The server refuses connections while it stops.',
    'What does the guard check?',
    'There is no second copy; it is no longer needed.',
    'The command prints `what is due`.',
    'It retries as long as the lease is valid, so long that a crash is unlikely.',
]


def found(folder, name, text):
    """Write a file with this text; return the line and the meaning of each issue in it."""
    file = folder / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    return [(line, pattern.meaning) for line, pattern in issues(file)]


@pytest.fixture
def repository(tmp_path):
    """Return a Git repository whose branch `main` contains one page."""
    root = tmp_path / 'repository'
    root.mkdir()
    (root / 'old.md').write_text('Whoever reads this.\n')
    git(root, 'init', '--initial-branch=main')
    git(root, 'add', '.')
    git(root, 'commit', '--message=Add a page')
    git(root, 'switch', '--create=feature')
    return root


def git(root, *arguments):
    identity = ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.com']
    subprocess.run(['git', *identity, *arguments], cwd=root, check=True, capture_output=True)


class TestPatterns:
    def test_have_a_sentence_each(self):
        assert list(REPORTED) == [pattern.meaning for pattern in PATTERNS]

    @pytest.mark.parametrize(
        ('meaning', 'text'), [(key, text) for key, texts in REPORTED.items() for text in texts]
    )
    def test_match_their_construction(self, tmp_path, meaning, text):
        assert (1, meaning) in found(tmp_path, 'page.md', text)

    @pytest.mark.parametrize('text', CORRECT)
    def test_do_not_match_a_correct_sentence(self, tmp_path, text):
        assert found(tmp_path, 'page.md', text) == []


class TestIssues:
    @pytest.mark.parametrize(
        ('name', 'text', 'line'),
        [
            ('a.py', '"""Sends.\n\nWhoever waits is first.\n"""', 1),
            ('a.py', 'x = 1\n# Both count,\n# and whoever waits is first.\n', 2),
            ('a.py', 'def test_lets_who_waits_be_first():\n    pass\n', 1),
            ('a.py', "option('--all', help='Whoever waits.')\n", 1),
            ('a.py', "class Late:\n    field, reason = 'user', 'Whoever waits'\n", 2),
            ('a.md', '# Title\n\n```\nlets who\n```\n\nThe first\nis whoever waits.\n', 7),
            ('a.md', '| a | b |\n|---|---|\n| c | whoever waits |\n', 3),
            ('deploy/nginx.conf', 'a on;\n  # Whoever waits.\n', 2),
            ('Makefile', 'all:  ## Serve whoever waits\n', 1),
        ],
    )
    def test_are_found_in_each_kind_of_text(self, tmp_path, name, text, line):
        assert found(tmp_path, name, text) == [(line, 'a person without a noun')]

    def test_are_not_found_in_code(self, tmp_path):
        assert found(tmp_path, 'a.py', "name = 'whoever waits'\nhouse = lane(name)\n") == []

    def test_are_skipped_with_a_reason_only(self, tmp_path):
        text = 'The house is a block of pixels. <!-- sentences: keep{} -->'

        assert found(tmp_path, 'a.md', text.format(', because it is a drawing')) == []
        assert found(tmp_path, 'a.md', text.format('')) == [(1, 'a metaphor')]


class TestChangedFiles:
    def test_returns_the_files_that_differ_from_the_merge_base(self, repository):
        (repository / 'new.md').write_text('New.')
        git(repository, 'add', '.')
        git(repository, 'commit', '--message=Add a second page')
        (repository / 'untracked.md').write_text('Not committed.')
        (repository / 'old.md').unlink()

        assert changed_files(repository) == ['new.md', 'untracked.md']

    def test_returns_none_without_a_history(self, tmp_path):
        assert changed_files(tmp_path) is None


class TestMain:
    def test_fails_with_the_place_and_the_advice(self, repository, capsys):
        (repository / 'new.md').write_text('First.\n\nWhoever waits.\n')

        assert main(repository) == 1
        assert capsys.readouterr().out.splitlines() == [
            'new.md:3: error: a person without a noun.'
            ' Instead: the actor, such as "a client that waits"',
            'Sentences: failed, 1 files',
        ]

    def test_passes_with_notes_only(self, repository, capsys):
        (repository / 'new.md').write_text('Nobody waits.\n')

        assert main(repository) == 0
        assert 'new.md:1: note: an actor without a name.' in capsys.readouterr().out

    def test_does_not_check_unchanged_files(self, repository):
        assert main(repository) == 0

    def test_checks_named_files(self, repository):
        assert main(repository, ['old.md']) == 1

    def test_says_that_it_checks_nothing_without_a_history(self, tmp_path, capsys):
        assert main(tmp_path) == 0
        assert 'not checked' in capsys.readouterr().out
