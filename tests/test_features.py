"""docs/features.md, done word for word in a copy: a fourth feature comes, works, and goes again."""

import re
import shutil
from itertools import takewhile

import pytest

from tests.repository_copy import ROOT, copy_repository, flask, lint_imports, python, python_files

PAGE = (ROOT / 'docs' / 'features.md').read_text(encoding='utf-8')
BLOCKS = re.findall(
    r'^```(python|toml)\n# (lines of )?(\S+)\n(.*?)^```$', PAGE, re.DOTALL | re.MULTILINE
)

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
print('All went well.')
"""


def write_blocks(copy):
    """Write the page's files, and put its lines in the place of those they resemble."""
    for _, lines, path, text in BLOCKS:
        file = copy / path
        if lines:
            for line in filter(None, text.splitlines()):
                file.write_text(replace_most_similar(file.read_text(), line))
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)


def replace_most_similar(text, line):
    """Replace the one line that begins most like the given one."""

    def likeness(other):
        return len(list(takewhile(lambda pair: pair[0] == pair[1], zip(line, other, strict=False))))

    known = text.splitlines()
    best = max(known, key=likeness)
    assert likeness(best) > 10, f'nothing there resembles {line!r}'
    return '\n'.join(line if other == best else other for other in known) + '\n'


def commands(section):
    """Return the `flask` commands of a section of the page."""
    return re.findall(r'^\$ flask (.+)$', PAGE.split(f'## {section}')[1].split('\n## ')[0], re.M)


def split(command):
    """Return a command without quotes, as `tests.repository_copy.flask` expects it."""
    return command.replace("'", '')


class TestFeaturesPage:
    @pytest.mark.slow('starts five processes on a copy of the repository')
    def test_a_feature_comes_works_and_goes_again(self, tmp_path):
        copy = copy_repository(tmp_path)
        shutil.copytree(ROOT / 'tests', copy / 'tests')
        (copy / 'docs').mkdir()
        shutil.copy2(ROOT / 'docs' / 'security.md', copy / 'docs')
        plain = {name: (copy / name).read_text() for name in ('project/api.py', 'pyproject.toml')}
        write_blocks(copy)

        # It comes.
        migrate = *map(split, commands('6. Migrate')), 'db check', 'api check'
        said = flask(copy, *migrate, then=ROUND_TRIP)
        [migration] = (copy / 'migrations/versions/notes').glob('*.py')
        users = [p.read_text() for p in (copy / 'migrations/versions/users').glob('*.py')]
        known = re.findall(r"^revision = '(\w+)'", ''.join(users), re.MULTILINE)
        [revision] = [each for each in known if f"down_revision = '{each}'" not in ''.join(users)]
        code = migration.read_text()
        assert 'down_revision = None' in code
        assert "branch_labels = ('notes',)" in code
        assert f"depends_on = '{revision}'" in code or f"depends_on = ('{revision}',)" in code
        assert '`POST /api/v1/notes`' in (copy / 'docs/matrix.md').read_text()

        # It works, and keeps the rules of the repository.
        assert 'All went well.' in said
        said = python(copy, '-m', 'pytest', '-q', 'tests/notes')
        assert '5 passed' in said
        code, said = lint_imports(copy)
        assert code == 0, said

        # It goes.
        down, *rest = commands('Removing it')
        flask(copy, split(down))
        for folder in ('project/notes', 'migrations/versions/notes', 'tests/notes'):
            shutil.rmtree(copy / folder)
        for name, text in plain.items():
            (copy / name).write_text(text)
        flask(copy, *map(split, rest), 'db upgrade', 'api check')
        assert 'notes' not in (copy / 'docs/matrix.md').read_text()
        # import-linter passes on the original (tests/test_architecture.py), so on this one, too.
        assert python_files(copy) == python_files(ROOT)
        assert (copy / 'pyproject.toml').read_text() == (ROOT / 'pyproject.toml').read_text()

    def test_a_package_in_no_layer_fails_lint_imports(self, tmp_path):
        copy = copy_repository(tmp_path)
        (copy / 'project' / 'notes').mkdir()
        (copy / 'project' / 'notes' / '__init__.py').write_text('"""Notes."""\n')

        code, said = lint_imports(copy)

        assert code == 1
        assert 'project.notes' in said


class TestReplaceMostSimilar:
    def test_replaces_one_line(self):
        text = 'layers = ["api"]\nlayers = ["ops"]\n'

        assert replace_most_similar(text, 'layers = ["api", "b"]') == (
            'layers = ["api", "b"]\nlayers = ["ops"]\n'
        )

    def test_rejects_a_line_that_resembles_none(self):
        with pytest.raises(AssertionError):
            replace_most_similar('x = 1\n', 'containers = []')
