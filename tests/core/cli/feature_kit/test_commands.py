"""Commands `flask feature`."""

import json

import pytest

from project.core.cli.feature_kit import removal, repository
from project.core.cli.feature_kit.validation import check_feature_name
from project.core.features import Feature


@pytest.fixture(autouse=True)
def no_copy(monkeypatch):
    """Fail if a command begins to write: every command in these tests must be rejected first."""

    def copied_repository():
        raise AssertionError('the command did not reject its arguments')

    monkeypatch.setattr(repository, 'copied_repository', copied_repository)


class TestFeatureNew:
    @pytest.mark.parametrize(
        ('arguments', 'reason'),
        [
            (['Billing'], 'the name must be in snake_case'),
            (['a' * 20], 'is longer than 19 characters'),
            (
                ['zz_bills', '--fields', f'{"a" * 24}:ref(users)', '--model', 'B' + 'a' * 16],
                'in the database is longer than 63 characters',
            ),
            (['class'], 'the name is a keyword of Python'),
            (['users'], 'project/users exists already'),
            (['core'], 'project/core exists already'),
            (['api'], 'project/api exists already'),
            (['integration'], 'tests/integration exists already'),
            (['jobs'], 'the command `flask jobs` exists already'),
            (['docs'], 'routes below /api/v1/docs exist already'),
            (['tasks'], 'the setting TASKS_BROKER_URL has this prefix already'),
            (['storage'], 'the setting STORAGE_'),
            (['http'], 'the setting HTTP_PROXY has this prefix already'),
            (['users_avatar'], 'the setting USERS_AVATAR_MAX_SIZE has this prefix already'),
            (['users_roles'], 'the table users_roles has this prefix already'),
            (['roles'], 'the permission roles:read has this prefix already'),
            (['zz_movies'], "The singular of 'zz_movies' is ambiguous: name the model with --mod"),
            (['zz_bills', '--model', 'bill'], 'the name must be in PascalCase'),
            (['zz_bills', '--model', 'VATRate'], "'VATRate': write acronyms as words: VatRate"),
            (['zz_bills', '--model', 'User'], 'another model has this name'),
            (['zz_bills', '--model', 'Page'], 'the generated code imports this name'),
            (['zz_bills', '--model', 'Bill', '--plural', 'bill'], 'the plural must differ'),
            (['zz_bills', '--requires', 'zz_none'], "There is no feature 'zz_none'"),
            (['zz_bills', '--fields', 'owner_id:int'], 'the generated code uses this name'),
            (['zz_bills', '--fields', 'metadata:json'], 'the generated code uses this name'),
            (['zz_bills', '--fields', 'date:date'], 'the generated code uses this name'),
            (['zz_bills', '--fields', 'count:int'], 'the generated code uses this name'),
            (['zz_bills', '--fields', 'zz_bill:int'], 'the generated code uses this name'),
            (['zz_bills', '--fields', 'a:enum(name,b)'], 'cannot contain mro or name or value'),
            (
                ['zz_bills', '--fields', 'row:enum(a,b)'],
                "Field 'row': the generated code defines ZzBillRow already",
            ),
            (['zz_bills', '--fields', 'schema:enum(a,b)'], 'defines ZzBillSchema already'),
            (['zz_bills', '--fields', 'view:enum(a,b)'], 'defines ZzBillView already'),
            (['zz_bills', '--fields', 'not_found:enum(a,b)'], 'defines ZzBillNotFound already'),
            (['zz_bills', '--fields', 'factory:enum(a,b)'], 'defines ZzBillFactory already'),
            (
                ['zz_bills', '--fields', 'a:str:unique a_taken:enum(a,b)'],
                'defines ZzBillATaken already',
            ),
            (['zz_bills', '--fields', 'a:money'], "the type 'money' is unknown"),
            (['zz_bills', '--fields', 'a:ref(zz_none)'], "no feature or table 'zz_none'"),
            (['zz_bills', '--fields', 'a:ref(core)'], 'core has no table to refer to'),
        ],
    )
    def test_rejects_a_fault_in_one_line(self, cli, arguments, reason):
        result = cli.invoke(args=['feature', 'new', *arguments])

        assert result.exit_code == 2
        *_, line = result.stderr.splitlines()
        assert reason in line

    def test_accepts_other_fields(self, cli):
        arguments = ['zz_bills', '--fields', 'row:str schema:int state:enum(a,b) user:ref(users)']

        result = cli.invoke(args=['feature', 'new', *arguments])

        assert 'the command did not reject its arguments' in str(result.exception)

    @pytest.mark.parametrize('name', ['file', 'use', 'rooms'])
    def test_accepts_names_that_only_resemble_others(self, app, name):
        check_feature_name(name)

    def test_fails_without_the_repository(self, cli, monkeypatch, tmp_path):
        monkeypatch.setattr(repository, 'TEMPLATE', tmp_path / 'feature_template')

        result = cli.invoke(args=['feature', 'new', 'zz_bills'])

        assert result.exit_code == 1
        assert result.stderr == (
            f'Error: {tmp_path}/feature_template is missing: run this command in the repository\n'
        )

    def test_fails_without_ruff(self, cli, monkeypatch):
        monkeypatch.setattr('importlib.util.find_spec', lambda name: None)

        result = cli.invoke(args=['feature', 'new', 'zz_bills'])

        assert result.exit_code == 1
        assert result.stderr.startswith('Error: ruff is missing: install requirements/dev.txt')


class TestFeatureAdd:
    @pytest.mark.parametrize(
        ('feature', 'reason'),
        [
            ('zz_none', "There is no feature 'zz_none'"),
        ],
    )
    def test_rejects_a_fault_in_one_line(self, cli, feature, reason):
        result = cli.invoke(args=['feature', 'add', feature, '--model', 'ZzBill'])

        assert result.exit_code == 2
        assert reason in result.stderr.splitlines()[-1]

    def test_names_the_model_if_the_feature_has_its_names(self, cli):
        arguments = ['users', '--model', 'UserNotFound', '--plural', 'zz_bills']

        result = cli.invoke(args=['feature', 'add', *arguments])

        assert "Model 'UserNotFound': the generated code defines UserNotFound already" in (
            result.stderr
        )


class TestFeatureList:
    def test_shows_requirements_tables_and_routes(self, cli):
        result = cli.invoke(args=['feature', 'list', '--json'])

        found = {feature['name']: feature for feature in json.loads(result.stdout)}
        assert found['users']['requires'] == []
        assert 'users_exports' in found['users']['tables']
        assert 'GET /api/v1/users' in found['users']['routes']
        assert 'users_exports' in cli.invoke(args=['feature', 'list']).stdout


class TestFeatureCheck:
    def test_rejects_an_unknown_feature(self, cli):
        result = cli.invoke(args=['feature', 'check', 'zz_none'])

        assert result.exit_code == 1
        assert "there is no feature 'zz_none'" in result.stderr


class TestFeatureRemove:
    def test_rejects_a_feature_that_others_require(self, cli, monkeypatch):
        features = (Feature('users', ()), Feature('zz_bills', ('users',)))
        monkeypatch.setattr(removal, 'find_features', lambda: features)

        result = cli.invoke(args=['feature', 'remove', 'users'])

        assert result.exit_code == 1
        assert 'users: remove them first' in result.stderr
