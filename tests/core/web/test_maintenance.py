"""Maintenance mode, which is on while the maintenance file exists."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from project.core.web.maintenance import maintenance

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def file(var):
    """Return the path of the maintenance file, which does not exist yet."""
    return var / 'maintenance'


class TestInitApp:
    def test_rejects_a_relative_path(self, kernel):
        with pytest.raises(SystemExit, match='MAINTENANCE_FILE must be an absolute path'):
            kernel(MAINTENANCE_FILE='var/maintenance')


class TestCheckMaintenance:
    @pytest.mark.parametrize('url', ['/readyz', '/api/v1/openapi.json', '/nowhere'])
    @pytest.mark.parametrize('method', ['GET', 'POST', 'OPTIONS'])
    def test_returns_503_on_every_route(self, client, file, url, method):
        file.touch()

        response = client.open(url, method=method)

        assert response.status_code == 503
        assert response.headers['Retry-After'] == '300'
        assert response.json == {
            'status': 'error', 'message': 'Currently in maintenance', 'code': 503,
        }  # fmt: skip

    def test_logs_no_warning(self, client, file, caplog):
        file.touch()

        client.get('/nowhere')

        assert [record for record in caplog.records if record.levelname == 'WARNING'] == []

    def test_still_serves_healthz(self, client, file):
        file.touch()

        assert client.get('/healthz').status_code == 200

    def test_ends_without_a_restart(self, client, file):
        file.touch()
        assert client.get('/nowhere').status_code == 503

        file.unlink()
        assert client.get('/nowhere').status_code == 404

    @pytest.mark.parametrize(
        ('until', 'seconds'),
        [
            ((NOON + timedelta(minutes=30)).isoformat(), '1800'),
            ((NOON - timedelta(minutes=30)).isoformat(), '1'),
            (None, '300'),
            ('soon', '300'),
            ('2026-11-23T13:00:00', '300'),
            (5, '300'),
        ],
    )
    def test_sends_the_end_of_maintenance_as_retry_after(
        self, client, file, until, seconds, travel
    ):
        travel(to=NOON)
        file.write_text(json.dumps({'reason': 'Moving house', 'until': until}))

        response = client.get('/nowhere')

        assert response.headers['Retry-After'] == seconds
        assert response.json['message'] == 'Moving house'

    @pytest.mark.parametrize(
        'content',
        [b'', b'{', b'[]', b'5', b'null', b'\xff\xfe', b'{"reason": ["x"]}', b'{"reason": 5}'],
    )
    def test_returns_503_for_any_content_of_the_file(self, client, file, content):
        file.write_bytes(content)

        response = client.get('/nowhere')

        assert response.status_code == 503
        assert isinstance(response.json['message'], str)

    def test_returns_503_even_if_the_path_is_a_directory(self, client, file):
        file.mkdir()

        assert client.get('/nowhere').status_code == 503


class TestMaintenance:
    def test_returns_none_without_the_file(self):
        assert maintenance() is None

    def test_returns_the_content_of_the_file(self, file):
        file.write_text('{"reason": "Größeres"}', encoding='utf-8')

        assert maintenance() == {'reason': 'Größeres'}

    def test_is_on_if_the_file_system_fails(self, app, monkeypatch):
        # No file system accepts a name of this length.
        monkeypatch.setitem(app.config, 'MAINTENANCE_FILE', f'/{"a" * 1000}')

        with app.app_context():
            assert maintenance() == {}
