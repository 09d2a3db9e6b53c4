"""The rules of the architecture: the code obeys them, and each check detects a violation."""

import re
import shutil
import tomllib
from importlib import import_module

import pytest

from tests import architecture
from tests.repository_copy import ROOT, copy_code, lint_imports

CONTRACTS = [
    contract['name']
    for contract in tomllib.loads((ROOT / 'pyproject.toml').read_text())['tool']['importlinter'][
        'contracts'
    ]
]
BORDERS, CORE, WEB, FEATURE, SERVICES, NO_CONFIG, NO_PROJECT, ROUTES = CONTRACTS

# Features with names that no team has, and the features that they require.
PLANTED = {'zz_low': (), 'zz_one': ('zz_low',), 'zz_two': ('zz_low',)}
STEPS = ('routes', 'cli', 'schemas', 'service', 'models', 'errors', 'signals')

# Violations of the import contracts: path, added text, contract, and a part of import-linter's
# output.
IMPORTS = (
    ('project/zz_one/routes.py', 'from project.zz_two import service as s', BORDERS,
     "imports project.zz_two.service. Remedy: add 'zz_two' to requires in project/zz_one/"),
    ('project/zz_two/service.py', 'from project.zz_one import service as s', BORDERS,
     'project/zz_two/service.py:'),
    ('project/zz_low/service.py', 'import project.zz_one.service', BORDERS,
     'project/zz_low/service.py:'),
    ('project/core/security/tokens.py', 'import project.zz_low.models', BORDERS,
     'imports project.zz_low.models. Remedy: move the code to project/zz_low'),
    ('project/zz_low/signals.py', 'from project import api', BORDERS,
     'imports project.api. Remedy: features export names in their `__init__.py`'),
    ('project/core/database/types.py', 'import project.core.web.responses.headers', CORE,
     'project.core.database.types -> project.core.web.responses.headers'),
    ('project/core/web/endpoints/rate_limits.py', 'import project.core.cli.toolkit', CORE,
     'project.core.web.endpoints.rate_limits -> project.core.cli.toolkit'),
    ('project/core/clock.py', 'import project.core.request_context', CORE,
     'project.core.clock -> project.core.request_context'),
    ('project/core/cupboard.py', '', CORE, '- project.core.cupboard'),
    ('project/core/task_workers/worker_slot.py', 'import project.core.mail.rendering', CORE,
     'project.core.task_workers.worker_slot -> project.core.mail.rendering'),
    ('project/core/task_workers/supervisor.py', 'import project.core.cli.toolkit', CORE,
     'project.core.task_workers.supervisor -> project.core.cli.toolkit'),
    ('project/core/web/responses/jsend.py', 'import project.core.task_workers', CORE,
     'project.core.web.responses.jsend -> project.core.task_workers'),
    ('project/core/tasks/leases.py', 'import project.core.task_workers.worker_slot', CORE,
     'project.core.tasks.leases -> project.core.task_workers.worker_slot'),
    ('project/core/security/encryption.py', 'import project.core.database.types', CORE,
     'project.core.security.encryption -> project.core.database.types'),
    ('project/core/storage/local.py', 'import project.core.security.signing', CORE,
     'project.core.storage.local -> project.core.security.signing'),
    ('project/core/web/responses/etags.py', 'import project.core.web.endpoints.endpoint_spec', WEB,
     'project.core.web.responses.etags -> project.core.web.endpoints.endpoint_spec'),
    ('project/core/web/requests/fields.py', 'import project.core.web.responses.jsend', WEB,
     'project.core.web.requests.fields -> project.core.web.responses.jsend'),
    ('project/core/web/cupboard.py', '', WEB, '- project.core.web.cupboard'),
    ('project/zz_one/models.py', 'from project.zz_one import service', FEATURE,
     'project.zz_one.models -> project.zz_one.service'),
    ('project/zz_one/service.py', 'from project.zz_one import schemas', FEATURE,
     'project.zz_one.service -> project.zz_one.schemas'),
    ('project/zz_low/schemas.py', 'from . import routes', FEATURE,
     'project.zz_low.schemas -> project.zz_low.routes'),
    ('project/zz_one/cli.py', 'from . import routes', FEATURE,
     'project.zz_one.cli -> project.zz_one.routes'),
    ('project/zz_two/errors.py', 'from . import models', FEATURE,
     'project.zz_two.errors -> project.zz_two.models'),
    ('project/zz_one/drawer.py', 'from . import models', FEATURE,
     'project.zz_one.drawer -> project.zz_one.models'),
    ('project/zz_one/service.py', 'import marshmallow', SERVICES,
     'project.zz_one.service -> marshmallow'),
    ('project/zz_low/service.py', 'import click', SERVICES, 'project.zz_low.service -> click'),
    ('project/zz_two/models.py', 'import project.core.web.responses.jsend', SERVICES,
     'project.zz_two.models -> project.core.web.responses.jsend'),
    ('project/zz_low/signals.py', 'import project.core.cli.toolkit', SERVICES,
     'project.zz_low.signals -> project.core.cli.toolkit'),
    ('project/zz_one/service.py', 'import config', NO_CONFIG,
     'project.zz_one.service -> config'),
    ('project/core/mail/sending.py', 'import config.base', NO_CONFIG,
     'project.core.mail.sending -> config.base'),
    ('config/env.py', 'import project.core.clock', NO_PROJECT,
     'config.env -> project.core.clock'),
    ('project/zz_one/routes.py', 'import project.zz_one.models', ROUTES,
     'project.zz_one.routes -> project.zz_one.models'),
    ('project/zz_low/cli.py', 'import sqlalchemy', ROUTES, 'project.zz_low.cli -> sqlalchemy'),
    ('project/zz_two/routes.py', 'import flask_sqlalchemy', ROUTES,
     'project.zz_two.routes -> flask_sqlalchemy'),
)  # fmt: skip

ROUTE = 'from flask import Blueprint\n@x.get("/")\n@endpoint(allow=public)\ndef x():\n    {}\n'
ATOMIC = '@atomic()\ndef change(password):\n    {}\n'
BLOCK = 'def change(password):\n    with atomic():\n        {}\n'

# Violations of the checks in tests/architecture.py: check, path, added text, and a part of the
# result.
BREACHES = (
    ('unknown_settings', 'files/a.py', 'x = app.config["FILES_QUTOA"]', 'a.py:1: FILES_QUTOA'),
    ('unknown_settings', 'auth/a.py', 'x = config.get("PUBLIC_ULR", "")', 'a.py:1: PUBLIC_ULR'),
    ('services_that_know_requests', 'users/service.py', 'from flask import request', 'request'),
    ('services_that_know_requests', 'files/service/a.py', 'import flask', 'flask'),
    ('services_that_know_requests', 'auth/service/a.py', 'from flask import current_app, g', 'g'),
    ('services_that_know_requests', 'auth/service/a.py', 'from flask.views import View', 'View'),
    ('modules_without_a_word', 'users/a.py', 'x = 1', 'users/a.py'),
    ('handlers_without_a_word', 'users/routes.py', ROUTE.format('return 1'), 'routes.py: x'),
    ('routes_that_catch', 'users/routes.py', 'try:\n    x\nexcept KeyError:\n    y', 'routes.py:1'),
    ('routes_that_catch', 'auth/routes/a.py', 'try:\n    x\nfinally:\n    y', 'a.py:1'),
    ('slow_in_atomic', 'auth/service.py', ATOMIC.format('hash_password(password)'), 'hash_pass'),
    (
        'slow_in_atomic',
        'auth/service.py',
        ATOMIC.format('hashing.verify_password(1, 2)'),
        'verify_password',
    ),
    (
        'slow_in_atomic',
        'users/service.py',
        ATOMIC.format('render_mail("a", "b", {})'),
        'render_mail',
    ),
    ('slow_in_atomic', 'auth/service.py', BLOCK.format('hash_password(password)'), 'hash_password'),
    (
        'slow_in_atomic',
        'auth/service.py',
        ATOMIC.format('hash_password(password)').replace('atomic()', "locks_user('user_id')"),
        'hash_password',
    ),
    (
        'slow_in_atomic',
        'auth/service.py',
        BLOCK.format('hash_password(password)').replace('atomic()', 'atomic(locking=[1])'),
        'hash_password',
    ),
    (
        'uses_of_unscoped_permissions',
        'users/service.py',
        'by.permissions_ignoring_scopes',
        'users/service.py:1',
    ),
    ('slow_in_atomic', 'auth/service.py', BLOCK.format('request.urlopen("https://a")'), 'urlopen'),
    ('linux_only_calls', 'core/a.py', 'import os\nos.sched_getaffinity(0)', 'sched_getaffinity'),
    ('linux_only_calls', 'core/a.py', "open('/proc/self/environ')", '/proc/self/environ'),
    ('linux_only_calls', 'core/a.py', 'from os import pidfd_open', 'pidfd_open: add a fallback'),
    (
        'swallowed_disk_errors',
        'users/a.py',
        'from project.core.storage import storage\nself.path.exists()',
        'a.py:2: self.path.exists',
    ),
    ('swallowed_disk_errors', 'core/storage/a.py', 'x = (a / "b").is_dir()', 'is_dir'),
    ('vague_names', 'core/utils.py', '', 'core/utils.py'),
    ('vague_names', 'users/helpers/a.py', '', 'users/helpers/a.py'),
    ('vague_names', 'common/__init__.py', '', 'common/__init__.py'),
    ('retired_words', 'users/doorbell.py', '', 'project/users/doorbell.py: doorbell'),
    (
        'retired_words',
        'users/a.py',
        'def settle_it():\n    pass\n',
        'settle_it: settle',
    ),
    ('retired_words', 'users/moving.py', '', 'project/users/moving.py: moving'),
    (
        'retired_words',
        'users/a.py',
        "class A:\n    __tablename__ = 'guesses'\n",
        'guesses: guesses',
    ),
    ('retired_words', 'users/a.py', "class A:\n    x: int = mapped_column('seat')\n", 'seat: seat'),
    ('retired_words', 'users/a.py', 'LANE_SECONDS = 1\n', 'LANE_SECONDS: lane'),
    ('retired_words', 'users/a.py', 'class HeardStory:\n    pass\n', 'HeardStory: heard, story'),
    ('long_files', 'users/models.py', 'x = 1\n' * 301, '301 lines'),
    ('long_files', 'users/models.py', 'x = 1\n' * 250, 'p90'),
    ('large_packages', 'users/models.py', 'x = 1\n' * 2501, 'users: 3 modules, 2502 lines'),
    ('large_packages', 'users/models.py', '', 'users: 23 modules, 1 lines'),
    ('long_functions', 'users/a.py', 'def f():\n' + '    x = 1\n' * 50, 'f: 51 lines'),
    ('long_functions', 'users/a.py', 'def f():\n' + '    x = 1\n' * 30, 'p90'),
    ('long_functions', 'users/a.py', 'def f():\n' + '    x = 1\n' * 10, 'median'),
    ('long_entrances', '__init__.py', 'x = 1\n' * 41, '41 lines'),
    ('long_entrances', 'users/__init__.py', 'x = 1\n' * 16, 'users/__init__.py: 16 lines'),
)


class TestContracts:
    @pytest.fixture(scope='class')
    @classmethod
    def complaints(cls, tmp_path_factory):
        """By contract, the output of import-linter for a copy of the project with all `IMPORTS`."""
        copy = copy_code(tmp_path_factory.mktemp('breaches'))
        for feature, requires in PLANTED.items():
            (copy / 'project' / feature).mkdir()
            for step in ('__init__', *STEPS):
                code = f'requires = {requires}\n' if step == '__init__' else ''
                file = copy / 'project' / feature / f'{step}.py'
                file.write_text(f'"""A module."""\n{code}')
        for path, text, _, _ in IMPORTS:
            file = copy / path
            file.parent.mkdir(exist_ok=True)
            before = file.read_text() if file.exists() else '"""A module."""\n'
            file.write_text(f'{before}\n{text}\n')
        code, output = lint_imports(copy)
        assert code == 1
        _, *parts = re.split(
            r'^(.+)\n-+\n', output.split('Broken contracts')[1], flags=re.MULTILINE
        )
        return dict(zip(parts[::2], parts[1::2], strict=True))

    def test_accept_the_repository(self):
        code, output = lint_imports(ROOT)

        assert code == 0, output
        assert f'Contracts: {len(CONTRACTS)} kept, 0 broken.' in output

    @pytest.mark.parametrize(
        ('path', 'text', 'contract', 'complaint'), IMPORTS, ids=[row[3] for row in IMPORTS]
    )
    def test_reject_a_violation(self, complaints, path, text, contract, complaint):
        assert complaint in complaints[contract]

    def test_have_a_violation_each(self):
        assert {row[2] for row in IMPORTS} == set(CONTRACTS)


@pytest.mark.slow('reads every module, also of the tests')
class TestChecks:
    @pytest.mark.parametrize('check', architecture.CHECKS, ids=lambda check: check.__name__)
    def test_find_nothing_in_the_repository(self, check):
        assert check(ROOT) == []

    @pytest.mark.parametrize(('name', 'path', 'text', 'complaint'), BREACHES)
    def test_find_a_violation(self, tmp_path, name, path, text, complaint):
        files = {'__init__.py': '', 'users/__init__.py': '', 'users/one.py': '"""One."""'}
        if name in ('long_files', 'long_functions'):
            files |= {f'users/small{n}.py': text if n % 2 else '' for n in range(4)}
        if name == 'large_packages' and not text:
            files |= {f'users/small{n}.py': '' for n in range(20)}
        for place, code in {**files, path: text}.items():
            file = tmp_path / 'project' / place
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(code)

        assert any(complaint in fault for fault in getattr(architecture, name)(tmp_path))

    def test_find_a_misspelt_variable_of_a_template(self, tmp_path):
        folder = tmp_path / 'project' / 'users' / 'templates' / 'mail' / 'export_ready'
        shutil.copytree(ROOT / 'project' / 'users' / 'templates' / 'mail' / 'export_ready', folder)
        for name, part in (('usernmae', 'subject.txt'), ('nmae', 'body.html')):
            (folder / part).write_text(f'{{{{ {name} }}}}')

        assert architecture.unknown_template_variables(tmp_path) == [
            'project/users/templates/mail/export_ready/subject.txt: usernmae',
            'project/users/templates/mail/export_ready/body.html: nmae',
        ]

    def test_have_a_violation_each(self):
        checks = {check.__name__ for check in architecture.CHECKS}
        assert {row[0] for row in BREACHES} | {'unknown_template_variables'} == checks

    @pytest.mark.parametrize(
        ('name', 'path', 'text'),
        [
            ('services_that_know_requests', 'users/service.py', 'from flask import current_app'),
            ('services_that_know_requests', 'users/routes.py', 'from flask import request'),
            ('handlers_without_a_word', 'users/routes.py', ROUTE.format('"""Say."""')),
            ('routes_that_catch', 'users/service.py', 'try:\n    x\nfinally:\n    y'),
            ('swallowed_disk_errors', 'core/storage/a.py', 'entry.is_dir(); x().exists()'),
            ('swallowed_disk_errors', 'users/a.py', 'path.exists()'),
            ('linux_only_calls', 'core/processes.py', 'ctypes.CDLL(None).prctl'),
            ('slow_in_atomic', 'auth/service.py', 'def f():\n    hash_password(1)'),
        ],
    )
    def test_find_nothing_in_allowed_code(self, tmp_path, name, path, text):
        file = tmp_path / 'project' / path
        file.parent.mkdir(parents=True)
        file.write_text(text)

        assert getattr(architecture, name)(tmp_path) == []


class TestBenchmarks:
    def test_can_be_imported(self):
        """Only this test imports the benchmarks, so only it detects a renamed function."""
        names = {path.stem for path in (ROOT / 'benchmarks').glob('*.py')} - {'__main__'}

        assert all(import_module(f'benchmarks.{name}') for name in sorted(names))
