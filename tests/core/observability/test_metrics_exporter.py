"""The check of METRICS_ADDRESS at the start. `tests/servers/test_metrics.py` tests the export."""

import pytest
from flask import Flask

from project.core.observability.metrics import exporter
from project.core.observability.metrics.exporter import MetricsExporter
from tests.listeners import listener
from tests.service import free_port


@pytest.fixture(autouse=True)
def _without_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not store metrics in the process of the tests: only their start is of interest."""
    for name in ('enable_metrics', 'measure_requests'):
        monkeypatch.setattr(exporter, name, lambda _: None)


class TestStart:
    def test_logs_one_warning_if_another_program_listens(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        with listener() as port:
            MetricsExporter(Flask(__name__), f'127.0.0.1:{port}').start()

        [record] = caplog.records
        assert record.levelname == 'WARNING'
        assert f'METRICS_ADDRESS 127.0.0.1:{port} is not usable' in record.getMessage()

    @pytest.mark.parametrize('host', ['127.0.0.1', '[::1]', '[::]', 'localhost'])
    def test_releases_a_free_address(self, caplog: pytest.LogCaptureFixture, host: str) -> None:
        address = f'{host}:{free_port()}'

        for _ in range(2):
            MetricsExporter(Flask(__name__), address).start()

        assert not caplog.records
