"""Tables of settings."""

import pytest

from project.core.documents.owners import Owners
from project.core.documents.settings import (
    DESCRIBE_SETTINGS,
    SettingDescription,
    setting_rows,
)


@pytest.fixture
def rows(app):
    """Return the owner and the table row of each setting, by the name of the setting."""
    return {row[0]: (owner, *row[1:]) for owner, row in setting_rows(Owners({'users'}))}


class TestSettingRows:
    def test_contain_default_accepted_values_and_meaning(self, rows):
        assert rows['`USERS_AVATAR_MAX_SIZE`'][:3] == (
            'users', '`5MiB`', 'a size such as 500MB, from 1 to 2^60 bytes',
        )  # fmt: skip
        assert rows['`PORT`'][:3] == ('core', '`8000`', 'a whole number from 0 to 65535')

    def test_contain_the_defaults_of_production(self, rows):
        assert rows['`PUBLIC_URL`'][1] == '—'
        assert rows['`API_DOCS`'][1] == '`authenticated`'

    def test_contain_no_path_and_no_cores_of_the_machine(self, rows):
        assert rows['`STORAGE_URL`'][1] == '`var/storage`'
        assert rows['`AUTH_HASH_CONCURRENCY`'][1] == '`one per core, at most 8`'

    def test_name_the_file_for_settings_without_a_variable(self, app, monkeypatch):
        boat = SettingDescription('BOATS_MAX', '', 'a number', 'All boats.', has_variable=False)
        monkeypatch.setitem(app.extensions, DESCRIBE_SETTINGS.name, lambda: [boat])

        assert list(setting_rows(Owners({'boats'}))) == [
            ('boats', ('`BOATS_MAX`', '—', 'a number', 'All boats. Only in `APP_CONFIG_FILE`.'))
        ]
