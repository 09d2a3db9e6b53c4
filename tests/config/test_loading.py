"""Loading of a configuration class and of the file whose settings override it."""

import re
from datetime import timedelta

import pytest

from config.loading import load_config
from config.testing import TestingConfig

from .environment import good_environment, set_environment


@pytest.fixture
def load_file(monkeypatch, tmp_path):
    """Return a function that loads `TestingConfig`, overridden by a file with this text."""

    def load(text):
        path = tmp_path / 'settings.py'
        path.write_text(text)
        set_environment(monkeypatch, APP_CONFIG_FILE=path)
        return load_config(TestingConfig)

    return load


class TestLoadConfig:
    def test_warns_about_an_attribute_that_only_the_environment_sets(self, monkeypatch):
        class Config(TestingConfig):
            AWS_ACCESS_KEY_ID = 'id'
            BODY_TIMEOUT = 7

        set_environment(monkeypatch)
        loaded = load_config(Config)

        assert loaded.values['BODY_TIMEOUT'] == 7
        assert loaded.warnings == [
            'AWS_ACCESS_KEY_ID in Config has no effect: set it in the environment'
        ]

    def test_reads_the_class_that_app_env_names(self, monkeypatch, tmp_path):
        set_environment(
            monkeypatch, **good_environment(tmp_path), STORAGE_MIN_FREE='1GB', FLASK_DEBUG=1
        )

        loaded = load_config()

        assert loaded.faults == []
        assert loaded.values['STRICT']
        assert loaded.values['DEBUG']
        assert (loaded.values['STORAGE_MIN_FREE'], loaded.sources['STORAGE_MIN_FREE']) == (
            10**9,
            'environment',
        )
        assert loaded.sources['STORAGE_OLD_URL'] == 'default'

    @pytest.mark.parametrize(
        'config', [TestingConfig, TestingConfig(), 'config.testing.TestingConfig']
    )
    def test_reads_a_class_or_an_instance_or_an_import_path(self, monkeypatch, config):
        set_environment(monkeypatch, STORAGE_MIN_FREE='5GB')

        loaded = load_config(config)

        assert loaded.values['STORAGE_MIN_FREE'] == TestingConfig.STORAGE_MIN_FREE
        assert loaded.sources['STORAGE_MIN_FREE'] == 'TestingConfig'

    def test_finds_all_faults_and_uses_the_defaults(self, monkeypatch):
        set_environment(
            monkeypatch, APP_ENV='development', PORT='x', BODY_TIMEOUT='y', HOST='unix:/x'
        )

        loaded = load_config()

        assert [fault.split()[0] for fault in loaded.faults] == ['BODY_TIMEOUT', 'HOST', 'PORT']
        assert loaded.values['PORT'] == 8000
        with pytest.raises(
            SystemExit, match=r'^Refusing to start: BODY_TIMEOUT must .*; HOST must '
        ):
            loaded.raise_faults()

    def test_rejects_values_of_a_class_that_have_a_wrong_type(self, monkeypatch):
        class Config(TestingConfig):
            FRESH_FOR = 60

        set_environment(monkeypatch)

        [fault] = load_config(Config).faults

        assert fault.startswith('FRESH_FOR in Config must be a timedelta of 1 to ')
        assert load_config(Config).values['FRESH_FOR'] == timedelta(minutes=10)

    def test_reads_attributes_of_an_instance(self, monkeypatch):
        set_environment(monkeypatch)
        config = TestingConfig()
        config.STORAGE_MIN_FREE = 7

        assert load_config(config).values['STORAGE_MIN_FREE'] == 7

    def test_warns_about_unknown_variables(self, monkeypatch):
        set_environment(monkeypatch, STORAGE_MINFREE=1, USERS_AVATAR_MAX_SIZE=2)

        assert load_config(TestingConfig).warnings == [
            'STORAGE_MINFREE in the environment is not a setting; did you mean STORAGE_MIN_FREE?',
            'USERS_AVATAR_MAX_SIZE in the environment is not a setting; '
            'did you mean USERS_AVATAR_MAX_SIZE in APP_CONFIG_FILE?',
        ]


class TestFile:
    def test_overrides_the_class(self, load_file):
        loaded = load_file('STORAGE_MIN_FREE = 7\nTRUSTED_HOSTS = None\nANYTHING = 1\n')

        assert (loaded.faults, loaded.warnings) == ([], [])
        assert (loaded.values['STORAGE_MIN_FREE'], loaded.sources['STORAGE_MIN_FREE']) == (
            7,
            'APP_CONFIG_FILE',
        )
        assert loaded.values['ANYTHING'] == 1

    @pytest.mark.parametrize('path', ['relative.py', '/nowhere/settings.py', '/'])
    def test_must_exist_at_an_absolute_path(self, monkeypatch, path):
        set_environment(monkeypatch, APP_CONFIG_FILE=path)

        assert load_config(TestingConfig).faults == [
            'APP_CONFIG_FILE must be the absolute path of a file'
        ]

    @pytest.mark.parametrize(
        ('text', 'fault'),
        [
            ("STORAGE_MIN_FREE = '5GB'", r"STORAGE_MIN_FREE in .* must be a number of .*'5GB'"),
            ("TASKS_CONCURRENCY = 'two'", r"TASKS_CONCURRENCY in .* from 0 to 64, and not 'two'"),
            (
                'FRESH_FOR = 60',
                r'FRESH_FOR in .* a timedelta of 1 to .* not 60',
            ),
            ('MAIL_URL = b"smtp://a:hunter2@b"', 'MAIL_URL in .* and not a value of type bytes'),
            ('CORS_ORIGINS = "https://a:hunter2@b"', r"CORS_ORIGINS in .*'https://a:\*\*\*@b'"),
            ('SECRET_KEY = b"hunter2"', 'SECRET_KEY in .* must be text, and not another value'),
            ('A = 1\nB = (', 'APP_CONFIG_FILE has a syntax error in line 2: '),
            ('A = 1\nB = 1 / 0', 'APP_CONFIG_FILE raises ZeroDivisionError in line 2'),
            ('import nowhere', 'APP_CONFIG_FILE raises ModuleNotFoundError in line 1'),
            ('open("/nowhere")', 'APP_CONFIG_FILE raises FileNotFoundError in line 1'),
            ('A = "\\x00"\x00', 'APP_CONFIG_FILE '),
        ],
    )
    def test_is_rejected_in_one_line_without_passwords(self, load_file, text, fault):
        [found] = load_file(text).faults

        assert len(found.splitlines()) == 1
        assert re.match(fault, found)
        assert 'hunter2' not in found

    def test_causes_warnings_about_names_that_are_not_settings(self, load_file):
        assert load_file("STORAGE_MINFREE = 1\nDATABASE_URL = 'sqlite://'\n").warnings == [
            'DATABASE_URL in APP_CONFIG_FILE is not a setting; '
            'did you mean SQLALCHEMY_DATABASE_URI?',
            'STORAGE_MINFREE in APP_CONFIG_FILE is not a setting; did you mean STORAGE_MIN_FREE?',
        ]

    def test_causes_warnings_about_names_that_only_the_environment_sets(self, load_file):
        text = "APP_ENV = 'staging'\nSECRET_KEY_FILE = '/key'\nMAINTENANCE_FILE = '/file'\n"

        assert load_file(text).warnings == [
            'APP_ENV in APP_CONFIG_FILE has no effect: set it in the environment',
            'SECRET_KEY_FILE in APP_CONFIG_FILE has no effect: set it in the environment',
        ]


class TestRows:
    def test_are_masked_and_name_their_source(self, monkeypatch, tmp_path):
        url = 'postgresql://ada:hunter2@db/api'
        set_environment(monkeypatch, **{**good_environment(tmp_path), 'DATABASE_URL': url})

        rows = {row['name']: row for row in load_config().rows()}

        assert rows['APP_ENV']['value'] == 'production'
        assert rows['SECRET_KEY']['value'] == '***'
        assert rows['DATABASE_URL']['value'] == 'postgresql://ada:***@db/api'
        assert rows['DATABASE_URL']['source'] == 'environment'
        assert rows['FRESH_FOR']['value'] == '10 minutes'
