"""The example feature in docs/features.md, added to a copy of the repository and run."""

import re
import shutil

import pytest

from tests.repository_copy import (
    ROOT,
    flask,
    lint_imports,
    migrated_copy,
    python,
    python_files,
)

PAGE = (ROOT / 'docs' / 'features.md').read_text(encoding='utf-8')
BLOCKS = re.findall(r'^```python\n# (\S+\.py)\n(.*?)^```$', PAGE, re.DOTALL | re.MULTILINE)

ROUND_TRIP = """
from uuid import uuid4
from wsgi import create_app
from project.core.clock import now
from project.core.security.permissions import default_permissions
from project.core.security.principal import Principal
from project.users import service as users

app = create_app()
with app.app_context():
    ada = users.create_user(username='ada', email='ada@example.com')
everything = default_permissions()
app.extensions['identify'] = lambda _: Principal(ada.id, 'ada', everything, uuid4(), now())
app.extensions['reload_principal'] = lambda principal: principal
client = app.test_client()
me = {'Authorization': 'Bearer ada'}
made = client.post('/api/v1/notes', json={'text': 'Buy milk.'}, headers=me)
assert made.status_code == 201, made.text
assert client.get(made.location, headers=me).json['data']['text'] == 'Buy milk.'
assert client.get(made.location).status_code == 401
assert app.test_cli_runner().invoke(args=['notes', 'stats', '--json']).stdout == '{"notes":1}\\n'
assert client.delete(made.location, headers=me).status_code == 200
with app.app_context():
    users.delete_user(ada.id)
print('All steps succeeded.')
"""
INVOKE = 'assert create_app().test_cli_runner().invoke(args={!r}).exit_code == 0'


def write_blocks(copy):
    """Write the files of the page into a copy of the repository."""
    for path, text in BLOCKS:
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        (copy / path).write_text(text)


def commands(section):
    """Return the `flask` commands in a section of docs/features.md."""
    return re.findall(r'^\$ flask (.+)$', PAGE.split(f'## {section}')[1].split('\n## ')[0], re.M)


def split(command):
    """Return a command without its quotes: `tests.repository_copy.flask` cannot read them."""
    return command.replace("'", '')


class TestFeaturesPage:
    @pytest.fixture
    def copy(self, tmp_path):
        """Yield a copy of the repository to which the example feature is added."""
        with migrated_copy(tmp_path) as copy:
            shutil.copytree(ROOT / 'tests', copy / 'tests', dirs_exist_ok=True)
            shutil.copytree(ROOT / 'docs' / 'features', copy / 'docs' / 'features')
            write_blocks(copy)
            yield copy

    @pytest.mark.slow('starts four processes on a copy of the repository')
    def test_adds_uses_and_removes_a_feature(self, copy):
        downgrade, *rest = map(split, commands('Removing it'))

        # A single process migrates, uses the feature and downgrades, because each start takes a
        # second.
        steps = [*commands('6. Migrate'), *commands('7. Document it')]
        migrate = *map(split, steps), 'db check', 'api check'
        output = flask(copy, *migrate, then=f'{ROUND_TRIP}\n{INVOKE.format(downgrade)}')
        [migration] = (copy / 'migrations/versions/notes').glob('*.py')
        users = [p.read_text() for p in (copy / 'migrations/versions/users').glob('*.py')]
        known = re.findall(r"^revision = '(\w+)'", ''.join(users), re.MULTILINE)
        [revision] = [each for each in known if f"down_revision = '{each}'" not in ''.join(users)]
        code = migration.read_text()
        assert 'down_revision = None' in code
        assert "branch_labels = ('notes',)" in code
        assert f"depends_on = '{revision}'" in code or f"depends_on = ('{revision}',)" in code
        page, openapi = (
            copy / 'docs/features' / f'notes{kind}' for kind in ('.md', '.openapi.json')
        )
        assert '# Notes\n\nNotes: private short texts of users.\n' in page.read_text()
        assert '| `POST /api/v1/notes` | 401 | ok | ok | `notes:write` |' in page.read_text()
        assert 'All steps succeeded.' in output
        assert '5 passed' in python(copy, '-m', 'pytest', '-q', 'tests/notes')
        code, output = lint_imports(copy)
        assert code == 0, output

        for folder in ('project/notes', 'migrations/versions/notes', 'tests/notes'):
            shutil.rmtree(copy / folder)
        page.unlink()
        openapi.unlink()
        flask(copy, *rest, 'db upgrade')
        # tests/test_architecture.py runs import-linter on the same files in the original
        # repository.
        assert python_files(copy) == python_files(ROOT)
