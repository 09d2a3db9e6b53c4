"""Warnings about environment variables whose name resembles that of a setting."""

import pytest

from config.names import unknown_names

KNOWN = {
    'FILES_MAX_SIZE': 'FILES_MAX_SIZE',
    'FILES_QUOTA': 'FILES_QUOTA',
    'AUTH_TOKEN_MINUTES': 'AUTH_TOKEN_MINUTES',
    'AUTH_TOKEN_LIFETIME': 'AUTH_TOKEN_MINUTES',
    'API_DOCS': 'API_DOCS',
    'SECRET_KEY': 'SECRET_KEY',
    'REDIS_URL': 'REDIS_URL',
    'PORT': 'PORT',
}


def found(*names, **options):
    return unknown_names(names, KNOWN, where='here', **options)


class TestUnknownNames:
    @pytest.mark.parametrize(
        ('name', 'hint'),
        [
            ('FILES_MAXSIZE', '; did you mean FILES_MAX_SIZE?'),
            ('AUTH_TOKEN_LIFETIME', '; did you mean AUTH_TOKEN_MINUTES?'),
            ('SECRET_KEYS', '; did you mean SECRET_KEY?'),
            ('FILES_ABCDEFGHIJKL', ''),
        ],
    )
    def test_suggests_the_nearest_setting(self, name, hint):
        assert found(name) == [f'{name} in here is not a setting{hint}']

    @pytest.mark.parametrize(
        'name',
        [
            'FILES_MAX_SIZE',
            'SECRET_KEY_FILE',
            'PATH',
            'REDIS_TLS',
            'SECRET_SANTA',
            'API_SERVICE_HOST',
            'API_SERVICE_PORT_HTTP',
            'API_PORT',
            'API_PORT_8000_TCP_ADDR',
        ],
    )
    def test_ignores_settings_and_variables_of_other_programs(self, name):
        assert found(name) == []

    def test_ignores_the_given_names(self):
        assert found('FILES_X', ignored=['FILES_X']) == []
