"""Declarations of metrics."""

import subprocess
import sys

import pytest

from project.core import metrics
from project.core.metrics import OTHER, Counter, Gauge, Histogram
from project.core.registration import RegistrationError, Registry


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry[metrics.Metric]:
    """Replace the registry, so that the metrics of these tests do not stay in it."""
    empty: Registry[metrics.Metric] = Registry('metric')
    monkeypatch.setattr(metrics, 'metrics', empty)
    return empty


class TestMetric:
    def test_has_the_prefix_of_its_feature(self) -> None:
        Counter('files_uploads_total', 'Uploads.', owner='project.files.service')
        with pytest.raises(RegistrationError, match='must begin with'):
            Counter('uploads_total', 'Uploads.', owner='project.files.service')

    def test_of_the_core_has_a_standard_name(self) -> None:
        Counter('http_server_requests_total', 'Requests.', owner='project.core.server')

    def test_has_one_owner(self) -> None:
        Counter('sent_total', 'Sent.', owner='project.core.mail')
        with pytest.raises(RegistrationError, match='sent_total'):
            Counter('sent_total', 'Sent.', owner='project.core.tasks')

    def test_stores_nothing_until_it_is_enabled(self) -> None:
        counter = Counter('sent_total', 'Sent.', ('template',), owner=__name__)
        counter.increment('pin')
        counter.enable()
        counter.increment('pin', by=2)
        assert samples(counter) == {('pin',): 2}

    def test_limits_the_number_of_its_series(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(metrics, 'MAX_SERIES', 2)
        counter = Counter('seen_total', 'Seen.', ('name',), owner=__name__)
        counter.enable()
        for name in ('a', 'b', 'c', 'd', 'a'):
            counter.increment(name)
        assert samples(counter) == {('a',): 2, ('b',): 1, (OTHER,): 2}


def test_a_gauge_has_the_last_value() -> None:
    gauge = Gauge('busy', 'Busy.', owner=__name__)
    gauge.enable()
    gauge.set(to=7)
    gauge.set(to=2)
    assert samples(gauge) == {(): 2}


def test_a_process_may_store_its_changes_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, '_buffer', None)
    monkeypatch.setattr(metrics, '_gauge_readers', [])
    counter = Counter('sent_total', 'Sent.', ('template',), owner=__name__)
    gauge = Gauge('busy', 'Busy.', owner=__name__)
    for metric in (counter, gauge):
        metric.enable()
    metrics.buffer_changes()
    metrics.set_gauges_with(lambda: gauge.set(to=5))
    for template in ('pin', 'notice', 'pin'):
        counter.increment(template)
    assert samples(counter) == {}
    metrics.store_changes()
    metrics.store_changes()
    assert samples(counter) == {('pin',): 2, ('notice',): 1}
    assert samples(gauge) == {(): 5}


def test_a_histogram_counts_by_bounds() -> None:
    histogram = Histogram('wait_seconds', 'Wait.', owner=__name__, bounds=(1, 10))
    histogram.enable()
    histogram.store((), (0.5, 1))
    for seconds in (5, 50):
        histogram.observe(seconds)
    [family] = histogram._exported.collect()
    buckets = {s.labels['le']: s.value for s in family.samples if s.name == 'wait_seconds_bucket'}
    assert buckets == {'1.0': 2, '10.0': 3, '+Inf': 4}
    assert [s.value for s in family.samples if s.name == 'wait_seconds_sum'] == [56.5]


@pytest.mark.slow('starts an application in a new process')
def test_the_application_does_not_import_the_library() -> None:
    code = 'import project, sys; project.create_app(); sys.exit("prometheus_client" in sys.modules)'
    subprocess.run([sys.executable, '-c', code], env={'APP_ENV': 'testing'}, check=True)


def samples(metric: Counter | Gauge) -> dict[tuple[str, ...], float]:
    """Return the stored values by their labels."""
    [family] = metric._exported.collect()
    return {
        tuple(sample.labels.values()): sample.value
        for sample in family.samples
        if not sample.name.endswith('_created')
    }
