"""The borders between features: the repository keeps them, and each check finds violations."""

import pytest

from tests import feature_borders, test_architecture, test_name_owners, test_sql_borders
from tests.repository_copy import ROOT

# Three small features with names that no team has: `zz_bill` requires `zz_base`, not `zz_mail`.
FEATURES = {
    'project/zz_base/__init__.py': 'requires = ()',
    'project/zz_base/service.py': (
        'from project.zz_mail.service import LETTERS, READ, Letter, LetterSchema, deliver\n'
    ),
    'project/zz_mail/__init__.py': 'requires = ()',
    'project/zz_mail/service.py': 'def deliver(): ...\n',
    'project/zz_mail/permissions.py': "register_permission_prefix('zz_post', owner=__name__)\n",
    'project/zz_mail/templates/mail/zz_letter/subject.txt': '',
    'project/zz_bill/__init__.py': "requires = ('zz_base',)",
    'project/core/__init__.py': '',
    'config/base.py': 'class Config:\n    ZZ_MAIL_SERVER = 1\n',
    'tests/zz_base/factories.py': 'from tests.zz_mail.factories import LetterFactory\n',
    'tests/zz_mail/factories.py': 'class LetterFactory: ...\n',
}
SERVICE = 'project/zz_bill/service.py'
TESTS = 'tests/zz_bill/test_bills.py'
REQUIRE = "add 'zz_mail' to requires in project/zz_bill/__init__.py, or move the code"
CALL = "call a service function of 'zz_mail'"
ATOMIC = 'put the statements into `with atomic():`'

# For each violation: the kind of name, the way in which it is used, the check that must report it,
# the file, the code of its second line, and the expected rule and remedy in the message.
VIOLATIONS = (
    ('import', 'string', 'imports_by_string', SERVICE, "import_module('project.zz_mail.service')",
     "names the module 'project.zz_mail.service' in a string", REQUIRE),
    ('import', 'string', 'imports_by_string', SERVICE, "sys.modules['project.zz_mail']",
     "names the module 'project.zz_mail' in a string", REQUIRE),
    ('import', 'string', 'imports_by_string', SERVICE, "import_module(f'project.{name}')",
     'imports a module with a computed or relative name', 'use an import statement'),
    ('import', 'string', 'imports_by_string', SERVICE, "import_module('..zz_mail', __package__)",
     'imports a module with a computed or relative name', 'use an import statement'),
    ('import', 'string', 'imports_by_string', 'project/core/clock.py', "x = 'project.zz_mail:y'",
     "names the module 'project.zz_mail:y' in a string", 'move the code to project/zz_mail'),
    ('import', 'string', 'imports_by_string', SERVICE, "x = 'config.features.zz_mail'",
     "names the module 'config.features.zz_mail' in a string", REQUIRE),
    ('import', 're-export', 'imports_by_reexport', SERVICE,
     'from project.zz_base.service import deliver',
     'uses deliver of project.zz_mail.service through project.zz_base.service', REQUIRE),
    ('import', 're-export', 'imports_by_reexport', SERVICE,
     'from project.zz_base import service; service.deliver()',
     'uses deliver of project.zz_mail.service through project.zz_base.service', REQUIRE),
    ('foreign key', 're-export', 'imports_by_reexport', SERVICE,
     'from project.zz_base.service import Letter; ForeignKey(Letter.id)',
     'uses Letter of project.zz_mail.service through project.zz_base.service', REQUIRE),
    ('permission', 're-export', 'imports_by_reexport', SERVICE,
     'from project.zz_base.service import READ; authenticated(READ)',
     'uses READ of project.zz_mail.service through project.zz_base.service', REQUIRE),
    ('cursor', 're-export', 'imports_by_reexport', SERVICE,
     'from project.zz_base import service; service.LETTERS.page(x, y)',
     'uses LETTERS of project.zz_mail.service through project.zz_base.service', REQUIRE),
    ('schema', 're-export', 'imports_by_reexport', SERVICE,
     'from project.zz_base.service import LetterSchema',
     'uses LetterSchema of project.zz_mail.service through project.zz_base.service', REQUIRE),
    ('schema', 'string', 'imports_by_string', SERVICE, "fields.Nested('LetterSchema')",
     "names the schema 'LetterSchema' in a string", 'import the class'),
    ('table', 'direct', 'tables_of_others', SERVICE,
     "class A(Base): __tablename__ = 'zz_mail_letters'",
     "defines the table 'zz_mail_letters'", "begin its name with 'zz_bill'"),
    ('table', 'string', 'tables_of_others', SERVICE, "Table('letters', Base.metadata)",
     "defines the table 'letters'", "begin its name with 'zz_bill'"),
    ('foreign key', 'string', 'names_of_others', SERVICE, "ForeignKey('zz_mail_letters.id')",
     "names the column or task 'zz_mail_letters.id' of 'zz_mail'", REQUIRE),
    ('SQL', 'string', 'tables_of_others', SERVICE,
     "text('SELECT * FROM zz_bill b JOIN zz_mail_letters l ON l.id = b.id')",
     "contains SQL on zz_mail_letters, a table of 'zz_mail'", CALL),
    ('SQL', 'string', 'tables_of_others', 'project/core/clock.py', "text('DELETE FROM zz_mail')",
     "contains SQL on zz_mail, a table of 'zz_mail'", CALL),
    ('commit', 'direct', 'transactions_elsewhere', SERVICE, 'db.session.commit()',
     'uses .commit', ATOMIC),
    ('commit', 'direct', 'transactions_elsewhere', 'project/core/clock.py', 'session.rollback()',
     'uses .rollback', ATOMIC),
    ('commit', 'direct', 'transactions_elsewhere', SERVICE, 'with db.engine.begin(): ...',
     'uses .engine', ATOMIC),
    ('commit', 're-export', 'transactions_elsewhere', SERVICE, 'end = base.session.rollback',
     'uses .rollback', ATOMIC),
    ('commit', 'string', 'transactions_elsewhere', SERVICE, "end = 'COMMIT'; execute(end)",
     "contains the SQL 'COMMIT'", ATOMIC),
    ('commit', 'string', 'transactions_elsewhere', SERVICE, "execute(text('commit'))",
     "contains the SQL 'commit'", ATOMIC),
    ('setting', 'direct', 'settings_of_others', SERVICE, "app.config['ZZ_MAIL_FROM']",
     "reads the setting ZZ_MAIL_FROM of 'zz_mail'", REQUIRE),
    ('setting', 're-export', 'settings_of_others', SERVICE, "s = app.config; s.get('ZZ_MAIL_FROM')",
     "reads the setting ZZ_MAIL_FROM of 'zz_mail'", REQUIRE),
    ('setting', 'string', 'settings_of_others', SERVICE, "app.config['ZZ_' + name]",
     'computes the name of a setting', 'write the name as a literal'),
    ('setting', 'string', 'settings_of_others', SERVICE, 'app.config.get(name)',
     'computes the name of a setting', 'write the name as a literal'),
    ('setting', 'direct', 'settings_of_others', 'project/core/clock.py', "config['ZZ_MAIL_FROM']",
     "reads the setting ZZ_MAIL_FROM of 'zz_mail'", 'move the code to project/zz_mail'),
    ('permission', 'string', 'owners_by_string', SERVICE,
     "register_permission('zz_mail:read', 'Read.', owner='project.zz_mail.permissions')",
     "registers a name with owner='project.zz_mail.permissions'", 'pass owner=__name__'),
    ('permission', 'string', 'names_of_others', SERVICE, "authenticated('zz_post:read')",
     "names the permission 'zz_post:read' of 'zz_mail'", REQUIRE),
    ('URL', 'string', 'names_of_others', SERVICE, "url_for('api_v1.zz_mail.letter_show')",
     "names the endpoint 'api_v1.zz_mail.letter_show' of 'zz_mail'", REQUIRE),
    ('mail', 'string', 'mails_of_others', SERVICE, "send_mail('zz_letter', to=to)",
     "sends the mail 'zz_letter' of 'zz_mail'", 'add project/zz_bill/templates/mail/'),
    ('export path', 'string', 'names_of_others', SERVICE, "json_part('zz_mail/letters.json', rows)",
     "names the file of an export 'zz_mail/letters.json' of 'zz_mail'", REQUIRE),
    ('task', 'string', 'names_of_others', SERVICE, "find_task('zz_mail.deliver')",
     "names the column or task 'zz_mail.deliver' of 'zz_mail'", REQUIRE),
    ('factory', 'direct', 'factories_of_others', TESTS,
     'from tests.zz_mail.factories import LetterFactory',
     "uses tests.zz_mail.factories of 'zz_mail'", f'{REQUIRE} to tests/integration'),
    ('factory', 're-export', 'factories_of_others', TESTS,
     'from tests.zz_base.factories import LetterFactory',
     "uses tests.zz_mail.factories of 'zz_mail'", f'{REQUIRE} to tests/integration'),
    ('factory', 'string', 'factories_of_others', TESTS,
     "SubFactory('tests.zz_mail.factories.LetterFactory')",
     "uses tests.zz_mail.factories.LetterFactory of 'zz_mail'", f'{REQUIRE} to tests/integration'),
    ('factory', 'direct', 'factories_of_others', TESTS, 'from project.zz_mail import service',
     "uses project.zz_mail.service of 'zz_mail'", f'{REQUIRE} to tests/integration'),
)  # fmt: skip

# For each way of using a name, the kinds of names for which a test must exist. The tests of
# import-linter, of the registries and of SQL are in other modules (`ELSEWHERE`).
WAYS = {
    'direct': {
        'import', 'table', 'foreign key', 'SQL', 'commit', 'setting', 'permission', 'command',
        'URL prefix', 'route', 'cursor', 'schema', 'mail', 'export path', 'task',
        'attempt counter', 'factory',
    },
    're-export': {
        'import', 'table', 'foreign key', 'SQL', 'commit', 'setting', 'permission', 'command',
        'URL prefix', 'route', 'cursor', 'schema', 'task', 'factory',
    },
    'string': {
        'import', 'table', 'foreign key', 'SQL', 'commit', 'setting', 'permission', 'command',
        'URL prefix', 'route', 'cursor', 'schema', 'mail', 'export path', 'task', 'factory',
    },
}  # fmt: skip
ELSEWHERE = {
    ('import', 'direct'): test_architecture.TestContracts.test_reject_a_violation,
    ('SQL', 'direct'): test_sql_borders.TestFindViolation,
    ('SQL', 're-export'): test_sql_borders.TestFindViolation,
}

# Code that no check may report.
ALLOWED = (
    (SERVICE, "from project.zz_base import service\nimport_module('rich.table')"),
    (SERVICE, "app.config['ZZ_BILL_SIZE'], app.config['MAIL_FROM'], app.config['ZZ_MAIL_SERVER']"),
    (SERVICE, "ForeignKey('zz_base.id'), Table('zz_bill_rows', metadata), 'zz_bill/rows.json'"),
    (SERVICE, "text('SELECT 1 FROM zz_bill, zz_base JOIN core_tasks ON 1 = 1')"),
    (SERVICE, '"""Talks about project.zz_mail."""\nx = "zz_mail", "zz_mail.zip"'),
    (TESTS, 'from tests.core.apps import x\nfrom project.zz_base.service import y'),
)


@pytest.fixture
def plant(tmp_path):
    """Return a function that adds a file to three small features, and returns their repository."""

    def plant(path, code):
        for place, text in {**FEATURES, path: code}.items():
            file = tmp_path / place
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return tmp_path

    return plant


class TestChecks:
    @pytest.mark.slow('reads every module, also of the tests')
    @pytest.mark.parametrize('check', feature_borders.CHECKS, ids=lambda check: check.__name__)
    def test_find_nothing_in_the_repository(self, check):
        assert check(ROOT) == []

    @pytest.mark.parametrize(
        ('check', 'path', 'code', 'rule', 'remedy'),
        [row[2:] for row in VIOLATIONS],
        ids=[f'{row[0]} by {row[1]}: {row[4]}' for row in VIOLATIONS],
    )
    def test_name_the_file_the_line_the_rule_and_the_remedy(
        self, plant, check, path, code, rule, remedy
    ):
        found = getattr(feature_borders, check)(plant(path, f'"""A module."""\n{code}\n'))

        assert any(
            fault.startswith(f'{path}:2: {rule}') and f'Remedy: {remedy}' in fault
            for fault in found
        ), found

    @pytest.mark.parametrize(('path', 'code'), ALLOWED)
    def test_find_nothing_in_allowed_code(self, plant, path, code):
        root = plant(path, code)

        found = [fault for check in feature_borders.CHECKS for fault in check(root)]

        assert [fault for fault in found if fault.startswith(path)] == []

    def test_find_a_setting_of_a_feature_among_those_of_the_core(self, plant):
        root = plant(SERVICE, '')

        assert feature_borders.settings_without_prefix(root) == [
            "config/base.py:2: declares ZZ_MAIL_SERVER, a setting of 'zz_mail'. "
            'Remedy: declare it in config/features/zz_mail.py.'
        ]

    def test_reject_each_noun_in_each_way(self):
        tested = {row[:2] for row in (*VIOLATIONS, *test_name_owners.VIOLATIONS)} | set(ELSEWHERE)

        assert {(noun, way) for way, nouns in WAYS.items() for noun in nouns} - tested == set()

    def test_have_a_violation_each(self):
        checks = {check.__name__ for check in feature_borders.CHECKS}

        assert {row[2] for row in VIOLATIONS} | {'settings_without_prefix'} == checks
