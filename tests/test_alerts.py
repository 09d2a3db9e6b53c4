"""Alerts and dashboards use metrics that the service exports, and each alert has a runbook."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from project.core.metrics import Counter, Histogram, metrics

# Some alerts use metrics of this feature.
requires = ('auth',)

ROOT = Path(__file__).parents[1]
ALERTS = (ROOT / 'deploy/prometheus/alerts.yml').read_text(encoding='utf-8')
TESTS = (ROOT / 'deploy/prometheus/alerts_test.yml').read_text(encoding='utf-8')
DASHBOARD = json.loads((ROOT / 'deploy/grafana/overview.json').read_text(encoding='utf-8'))

# Parts of PromQL without names of metrics: texts, conditions, windows, lists of labels.
OTHER_PARTS = re.compile(r'"[^"]*"|\{[^}]*\}|\[[^]]*\]|\b(?:by|without|on|ignoring) ?\([^)]*\)')
FUNCTIONS = {
    'sum', 'rate', 'increase', 'histogram_quantile', 'and', 'or', 'max', 'min', 'predict_linear',
    'quantile_over_time', 'topk', 'count',
}  # fmt: skip
# Prometheus itself creates `up`, the exporter `metrics_unreadable`.
EXPORTED_BY_OTHERS = {'up', 'metrics_unreadable'}


def alert_expressions() -> dict[str, str]:
    """Return the expression of each alert."""
    blocks = ALERTS.split('- alert: ')[1:]
    return {
        block.split('\n', 1)[0]: re.search(r'expr: (.*?)\n {8}(?:for|labels)', block, re.S)[1]
        for block in blocks
    }


def dashboard_expressions() -> dict[str, str]:
    """Return the expressions of each panel, joined."""
    panels = DASHBOARD['panels']
    return {p['title']: ' or '.join(t['expr'] for t in p['targets']) for p in panels}


EXPRESSIONS = {**alert_expressions(), **dashboard_expressions()}


def names_in(expression: str) -> Iterator[str]:
    """Yield the names of metrics in a PromQL expression."""
    while (shorter := OTHER_PARTS.sub(' ', expression)) != expression:
        expression = shorter
    yield from set(re.findall(r'[a-z][a-z_0-9]*', expression)) - FUNCTIONS


@pytest.mark.parametrize('title', EXPRESSIONS)
def test_uses_only_exported_metrics(title: str) -> None:
    names = set(names_in(EXPRESSIONS[title])) - EXPORTED_BY_OTHERS
    for name in names:
        metric = metrics.values.get(name) or metrics.values.get(
            re.sub('_(bucket|count|sum)$', '', name)
        )
        assert metric is not None, f'{name} is not exported'
        assert isinstance(metric, Histogram) == (metric.name != name), name
        assert isinstance(metric, Counter) == name.endswith('_total'), name


@pytest.mark.parametrize('alert', alert_expressions())
def test_has_a_test_and_a_runbook(alert: str) -> None:
    assert f'alertname: {alert}\n' in TESTS
    block = ALERTS.split(f'- alert: {alert}\n')[1].split('- alert:')[0]
    assert f'runbook: docs/operations.md#{alert.lower()}\n' in block
    assert f'\n### {alert}\n' in (ROOT / 'docs/operations.md').read_text(encoding='utf-8')


def test_finds_an_unknown_metric() -> None:
    expression = 'sum by (le) (rate(gone_total{state="a b"}[5m])) > 1'
    assert set(names_in(expression)) == {'gone_total'}
