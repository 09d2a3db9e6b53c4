"""Documentation: its links, paths, commands and `make` targets must exist."""

import os
import re
from pathlib import Path

import click
import pytest
from flask.cli import FlaskGroup, ScriptInfo

from project.core.server.worker import (
    HEALTH_THREADS,
    LARGE_JSON_CLIENTS,
    LARGE_RESPONSE_CLIENTS,
    STREAM_CLIENTS,
    ApiWorker,
)

from .removed_features import is_removed_command, is_removed_path

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    [*ROOT.glob('*.md'), *(ROOT / 'docs').rglob('*.md'), *(ROOT / 'benchmarks').glob('*.md')]
)

FENCE = re.compile(r'^ *```.*?^ *```', re.MULTILINE | re.DOTALL)
LINK = re.compile(r'\[[^][]*\]\(([^()\s]+)\)')
CODE = re.compile(r'`([^`\n]+)`')
HEADING = re.compile(r'^#+ +(.+)$', re.MULTILINE)
FOLDERS = ('.ci', 'benchmarks', 'config', 'deploy', 'docs', 'migrations', 'project', 'requirements')
PATH = re.compile(rf'(?:{"|".join(map(re.escape, FOLDERS))}|tests)/[\w./-]*')
# The one or two words after `flask`. The word `flask` is at the start, or after a path or a shell
# prompt.
COMMAND = re.compile(r'(?:^|(?<=[\s/]))flask ((?:[a-z][a-z-]*)(?: [a-z][a-z-]*)?)', re.MULTILINE)
TARGET = re.compile(r'(?:^|(?<=\s))make ([a-z]+)', re.MULTILINE)


def faults_of_pages(find):
    """Call `find` for each page; return the faults of the pages that have any."""
    found = {str(page.relative_to(ROOT)): find(page, page.read_text()) for page in PAGES}
    return {page: faults for page, faults in found.items() if faults}


def prose_of(text):
    """Return a page without code blocks, in which brackets and hashes are not Markdown."""
    return FENCE.sub('', text)


def snippets_of(text):
    """Return the inline code and the code blocks of a page, except Python blocks."""
    blocks = [block for block in FENCE.findall(text) if not block.lstrip().startswith('```python')]
    return [*blocks, *CODE.findall(prose_of(text))]


def anchors_of(text):
    """Return the anchors of the headings of a page, as GitHub generates them."""
    kept = (re.sub(r'[^\w\- ]', '', heading.lower()) for heading in HEADING.findall(prose_of(text)))
    return {heading.replace(' ', '-') for heading in kept}


def dead_links(page, text):
    """Return the relative links of a page whose file or heading does not exist."""
    found = []
    for link in LINK.findall(prose_of(text)):
        if re.match(r'[a-z]+:', link):
            continue
        path, _, anchor = link.partition('#')
        target = page.parent / path if path else page
        if is_removed_path(os.path.relpath(target, ROOT)):
            continue
        if not target.exists() or (anchor and anchor not in anchors_of(target.read_text())):
            found.append(link)
    return found


def dead_paths(text):
    """Return the repository paths in a page's code that do not exist."""
    shown = [path for path in CODE.findall(prose_of(text)) if PATH.fullmatch(path)]
    return [path for path in shown if not (ROOT / path).exists() and not is_removed_path(path)]


def commands_of(app):
    """Return all `flask` commands without the word `flask`, including Flask's own."""
    group = FlaskGroup()
    context = click.Context(group, obj=ScriptInfo(create_app=lambda: app))
    known = {name: group.get_command(context, name) for name in group.list_commands(context)}
    groups = {name: found for name, found in known.items() if isinstance(found, click.Group)}
    return set(known) | {f'{name} {sub}' for name in groups for sub in groups[name].commands}


def unknown_commands(app, text):
    """Return the `flask` commands in a page's code that the application does not have."""
    known = commands_of(app)
    groups = {name.split()[0] for name in known if ' ' in name}
    shown = [words for snippet in snippets_of(text) for words in COMMAND.findall(snippet)]
    return [
        words
        for words in shown
        # After a command group such as `users`, the second word is a command. After a command, it
        # is an argument.
        if (words if words.split()[0] in groups else words.split()[0]) not in known
        and not is_removed_command(words)
    ]


def unknown_targets(text):
    """Return the `make` targets in a page's code that the Makefile does not have."""
    known = set(re.findall(r'^([a-z]+):', (ROOT / 'Makefile').read_text(), re.MULTILINE))
    shown = [target for snippet in snippets_of(text) for target in TARGET.findall(snippet)]
    return [target for target in shown if target not in known]


class TestLinks:
    def test_exist(self):
        assert faults_of_pages(dead_links) == {}

    @pytest.mark.parametrize('link', ['nowhere.md', 'README.md#no-such-heading', '#neither'])
    def test_are_reported_if_they_do_not_exist(self, link):
        assert dead_links(ROOT / 'README.md', f'See [this]({link}).') == [link]


class TestPaths:
    def test_exist(self):
        assert faults_of_pages(lambda _, text: dead_paths(text)) == {}

    def test_are_reported_if_they_do_not_exist(self):
        text = 'In `project/api.py` and `project/nowhere.py`, for `tests/<feature>/`.'

        assert dead_paths(text) == ['project/nowhere.py']


class TestCommands:
    def test_exist(self, app):
        assert faults_of_pages(lambda _, text: unknown_commands(app, text)) == {}

    def test_are_reported_if_they_do_not_exist(self, app):
        text = 'Try `flask users list`, `flask users fly`, or\n```\n$ .venv/bin/flask swim\n```\n'

        assert unknown_commands(app, text) == ['swim', 'users fly']

    def test_are_all_in_the_pages(self, app):
        pages = [*(ROOT / 'docs' / 'features').glob('*.md'), ROOT / 'docs' / 'operations.md']
        reference = ''.join(page.read_text() for page in pages)
        # docs/operations.md describes the `flask db` commands of Flask-Migrate by their purpose.
        own = [name for name in commands_of(app) if not name.startswith('db ')]

        assert [name for name in own if f'`flask {name}' not in reference] == []


class TestTargets:
    def test_exist(self):
        assert faults_of_pages(lambda _, text: unknown_targets(text)) == {}

    def test_are_reported_if_they_do_not_exist(self):
        assert unknown_targets('Say `make sure` and `make believe`.') == ['believe']


class TestThreads:
    def test_the_architecture_page_states_their_number(self):
        page = (ROOT / 'docs' / 'architecture.md').read_text(encoding='utf-8')
        ordinary, bodies = 8, ApiWorker.bodies_per_client
        clients = STREAM_CLIENTS + LARGE_JSON_CLIENTS + LARGE_RESPONSE_CLIENTS

        count = ordinary + ordinary // 4 + clients * bodies + HEALTH_THREADS

        assert f'a poller and {count} threads at most' in page
