"""The version of the PostgreSQL server."""

import pytest

from project.core.checks import Situation, State
from project.core.doctor.database_version import check_server_version


class TestCheckServerVersion:
    @pytest.mark.parametrize(
        ('version', 'state'),
        [
            ('14.11 (Debian 14.11-1)', State.FAILED),
            ('15.4', State.OK),
            ('17.0 (Debian 17.0-1)', State.OK),
            ('18beta1', State.WARNING),
        ],
    )
    def test_rejects_older_versions_and_warns_of_newer_ones(self, version, state):
        [found] = check_server_version(Situation(config={}), read=lambda: version)

        assert found.state is state
        assert found.seen.startswith(f'PostgreSQL {version.split()[0]}; supported: 15 to 17')

    def test_accepts_the_server_of_the_tests(self, app):
        with app.app_context():
            [found] = check_server_version(Situation(config=app.config))

        assert found.state in (State.OK, State.WARNING)
