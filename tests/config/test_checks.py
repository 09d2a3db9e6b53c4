"""`config.checks`: checks of combinations of settings, and of the rules for production."""

import pytest

from config import checks

KEY = 'q8Zr2vLx0mWc5nTy7bKd1hFj4gPs6aEu9iOo3RtY'

GOOD = {
    'STRICT': True,
    'SQLALCHEMY_DATABASE_URI': 'postgresql://ada:hunter2@db/api?sslmode=require',
    'SECRET_KEY': KEY,
    'SECRET_KEY_FALLBACKS': [],
    'CORS_ORIGINS': [],
    'CORS_ALLOW_HEADERS': ['traceparent', 'X-Requested-With'],
    'PUBLIC_URL': 'https://api.example.com',
    'TRUSTED_HOSTS': None,
    'DEBUG': False,
    'MAIL_URL': 'smtp://localhost',
    'MAINTENANCE_FILE': '/tmp/maintenance',
    'STORAGE_URL': 'file:///tmp',
    'STORAGE_SPOOL': '/tmp',
}


def faults(**changes):
    """Return the faults of a valid configuration after these changes."""
    found = list(checks.find_faults({**GOOD, **changes}))
    assert all(len(fault.splitlines()) == 1 for fault in found)
    return found


class TestFindFaults:
    @pytest.mark.parametrize(
        'changes',
        [
            {},
            {'PUBLIC_URL': 'https://api.example.com/'},
            {'PUBLIC_URL': 'http://localhost:8080'},
            {'PUBLIC_URL': 'http://api.example.com', 'STRICT': False},
            {'CORS_ORIGINS': ['https://app.example.com', 'http://localhost:5173']},
            {'SECRET_KEY_FALLBACKS': [KEY[:32]]},
            {'SQLALCHEMY_DATABASE_URI': 'sqlite:////tmp/api.sqlite?timeout=9'},
            {'SQLALCHEMY_DATABASE_URI': 'sqlite://', 'STRICT': False},
            {'SQLALCHEMY_DATABASE_URI': 'sqlite:////dev/shm/new/folder/api.sqlite'},
            {
                'TRUSTED_HOSTS': [
                    'api.example.com',
                    '.example.org',
                    '127.0.0.1',
                    'b\u00fccher.example',
                    'API.example',
                    '::1',
                    '[2001:DB8::0]',
                ]
            },
        ],
    )
    def test_yields_nothing_for_good_values(self, changes):
        assert faults(**changes) == []

    @pytest.mark.parametrize(
        ('changes', 'fault'),
        [
            ({'SQLALCHEMY_DATABASE_URI': ''}, 'DATABASE_URL is not set'),
            ({'SQLALCHEMY_DATABASE_URI': 'mysql://x'}, 'DATABASE_URL must begin with'),
            ({'SQLALCHEMY_DATABASE_URI': 'postgresql://u:hunter2@h:abc/db'}, 'DATABASE_URL is not'),
            ({'SQLALCHEMY_DATABASE_URI': 'postgresql+none://h/db'}, 'DATABASE_URL is not a URL'),
            ({'SQLALCHEMY_DATABASE_URI': 'postgresql+psycopg2://h/db'}, 'needs a driver'),
            ({'SQLALCHEMY_DATABASE_URI': 'postgresql://h/db?colour=red'}, 'does not know: colour'),
            ({'SQLALCHEMY_DATABASE_URI': 'sqlite:////tmp/db?mode=ro'}, 'not know: mode'),
            (
                {'SQLALCHEMY_DATABASE_URI': 'postgresql://h:99999/db'},
                'DATABASE_URL must have a port',
            ),
            ({'SQLALCHEMY_DATABASE_URI': 'sqlite:////dev/null/db'}, 'DATABASE_URL is in a folder'),
            ({'SQLALCHEMY_DATABASE_URI': 'sqlite:////proc/a/db'}, 'DATABASE_URL is in a folder'),
            ({'SECRET_KEY': ''}, 'SECRET_KEY is not set'),
            ({'CORS_ORIGINS': ['*']}, 'CORS_ORIGINS must be exact origins'),
            ({'CORS_ORIGINS': ['https://a.example/']}, 'CORS_ORIGINS must be exact origins'),
            ({'CORS_ORIGINS': ['https://[a.example']}, 'CORS_ORIGINS must be exact origins'),
            ({'CORS_ORIGINS': ['https://a.example?b']}, 'CORS_ORIGINS must be exact origins'),
            ({'CORS_ORIGINS': ['https://bücher.example']}, 'CORS_ORIGINS must be exact origins'),
            ({'CORS_ORIGINS': ['https://A.example']}, 'CORS_ORIGINS must be exact origins'),
            ({'CORS_ORIGINS': ['https://me:pw@a.example']}, 'CORS_ORIGINS must be exact origins'),
            ({'PUBLIC_URL': 'https://u:p@a.example'}, 'PUBLIC_URL must be a URL'),
            ({'MAINTENANCE_FILE': '/'}, 'MAINTENANCE_FILE is a folder'),
            ({'SQLALCHEMY_DATABASE_URI': 'sqlite:////tmp'}, 'a path that no file can have'),
            ({'SQLALCHEMY_DATABASE_URI': f'sqlite:////tmp/{"a" * 300}'}, 'that no file can have'),
            ({'CORS_ORIGINS': ['null']}, 'CORS_ORIGINS must be exact origins'),
            ({'CORS_ORIGINS': ['https://*.example.com/x']}, 'CORS_ORIGINS must be exact origins'),
            (
                {'CORS_ALLOW_HEADERS': ['a', 'b:c']},
                "must be names of headers, separated by spaces, and not 'b:c'",
            ),
            ({'CORS_ALLOW_HEADERS': ['a,b']}, 'CORS_ALLOW_HEADERS must be names of headers'),
            ({'CORS_ALLOW_HEADERS': ['é']}, 'CORS_ALLOW_HEADERS must be names of headers'),
            ({'CORS_ALLOW_HEADERS': ['a\x00']}, 'CORS_ALLOW_HEADERS must be names of headers'),
            ({'PUBLIC_URL': ''}, 'PUBLIC_URL is not set'),
            ({'PUBLIC_URL': 'api.example.com'}, 'PUBLIC_URL must be a URL'),
            ({'PUBLIC_URL': 'https://api.example.com/path'}, 'PUBLIC_URL must be a URL'),
            ({'PUBLIC_URL': 'https://'}, 'PUBLIC_URL must be a URL'),
            ({'PUBLIC_URL': 'https://[::1'}, 'PUBLIC_URL must be a URL'),
            ({'TRUSTED_HOSTS': ['a.example,b.example']}, 'TRUSTED_HOSTS must be host names'),
            ({'TRUSTED_HOSTS': ['https://a.example']}, 'TRUSTED_HOSTS must be host names'),
            ({'TRUSTED_HOSTS': ['*']}, 'TRUSTED_HOSTS must be host names'),
            ({'TRUSTED_HOSTS': ['*.example.com']}, 'TRUSTED_HOSTS must be host names'),
            ({'TRUSTED_HOSTS': ['a.example:80']}, 'TRUSTED_HOSTS must be host names'),
            ({'TRUSTED_HOSTS': ['.']}, 'TRUSTED_HOSTS must be host names'),
            ({'MAINTENANCE_FILE': 'maintenance'}, 'MAINTENANCE_FILE must be an absolute path'),
            ({'STORAGE_SPOOL': 'spool'}, 'STORAGE_SPOOL must be an absolute path'),
        ],
    )
    @pytest.mark.parametrize('strict', [True, False])
    def test_yields_a_fault_for_a_value_that_never_works(self, strict, changes, fault):
        [found] = faults(STRICT=strict, **changes)

        assert fault in found

    @pytest.mark.parametrize(
        ('changes', 'fault'),
        [
            ({'SECRET_KEY': 'short'}, 'SECRET_KEY is weak'),
            ({'SECRET_KEY': KEY[:31]}, 'SECRET_KEY is weak'),
            ({'SECRET_KEY': 'a' * 64}, 'SECRET_KEY is weak'),
            ({'SECRET_KEY': 'change-me-' + KEY}, 'SECRET_KEY is weak'),
            ({'SECRET_KEY': 'development-only-never-use-this-one'}, 'SECRET_KEY is weak'),
            ({'SECRET_KEY_FALLBACKS': ['short']}, 'SECRET_KEY_FALLBACKS is weak'),
            ({'MAIL_URL': f'file:///tmp/{"a" * 300}'}, 'MAIL_URL is a folder that cannot'),
            ({'MAIL_URL': 'file:///proc/a'}, 'MAIL_URL is a folder that cannot'),
            ({'PUBLIC_URL': 'http://api.example.com'}, 'PUBLIC_URL must begin with https://'),
            ({'SQLALCHEMY_DATABASE_URI': 'sqlite://'}, 'DATABASE_URL must name a file'),
            ({'SQLALCHEMY_DATABASE_URI': 'sqlite:///:memory:'}, 'DATABASE_URL must name a file'),
            ({'DEBUG': True}, 'debug mode is on'),
            ({'MAIL_URL': 'log:'}, 'MAIL_URL must not be log:'),
            ({'MAIL_URL': 'file:///dev/null/mail'}, 'MAIL_URL is a folder that cannot'),
            ({'STORAGE_URL': 'file:///dev/null/storage'}, 'STORAGE_URL is a folder that cannot'),
            ({'STORAGE_URL': 'file:///proc/a/storage'}, 'STORAGE_URL is a folder that cannot'),
            (
                {'STORAGE_URL': 's3://bucket', 'STORAGE_SPOOL': '/dev/null/spool'},
                'STORAGE_SPOOL is a folder that cannot',
            ),
        ],
    )
    def test_yields_a_fault_for_a_value_that_is_unfit_for_production(self, changes, fault):
        [found] = faults(**changes)

        assert fault in found
        assert faults(**changes, STRICT=False) == []

    def test_yields_all_faults_at_once(self):
        assert (
            len(faults(SQLALCHEMY_DATABASE_URI='', SECRET_KEY='', PUBLIC_URL='', DEBUG=True)) == 4
        )

    def test_does_not_repeat_secrets(self):
        found = faults(SECRET_KEY='hunter2', SQLALCHEMY_DATABASE_URI='mysql://a:hunter2@b')

        assert found
        assert 'hunter2' not in '; '.join(found)

    def test_leaves_no_files(self, tmp_path):
        assert faults(SQLALCHEMY_DATABASE_URI=f'sqlite:///{tmp_path}/a/b.sqlite') == []
        assert list(tmp_path.iterdir()) == []


class TestFindWarnings:
    @pytest.mark.parametrize(
        ('hosts', 'warnings'),
        [
            (None, []),
            (['api.example.com'], []),
            (['.example.com'], []),
            (['API.Example.com.'], []),
            (['a.example'], ['TRUSTED_HOSTS lacks api.example.com, the host of PUBLIC_URL']),
        ],
    )
    def test_yields_the_host_of_public_url_if_it_is_not_trusted(self, hosts, warnings):
        assert list(checks.find_warnings({**GOOD, 'TRUSTED_HOSTS': hosts})) == warnings


class TestTrustedHosts:
    @pytest.mark.parametrize(
        ('given', 'strict', 'hosts'),
        [
            (None, True, ['api.example.com', 'localhost', '127.0.0.1', '::1']),
            (None, False, None),
            (['a.example'], True, ['a.example']),
            (['A.Example', '.B.example.'], False, ['a.example', '.b.example']),
            (
                ['[2001:DB8::0]', 'B\u00fccher.example'],
                True,
                ['2001:db8::', 'xn--bcher-kva.example'],
            ),
        ],
    )
    def test_returns_the_given_hosts_or_those_of_the_service(self, given, strict, hosts):
        config = {
            'TRUSTED_HOSTS': given,
            'STRICT': strict,
            'PUBLIC_URL': 'https://api.example.com:8443',
        }

        assert checks.trusted_hosts(config) == hosts
