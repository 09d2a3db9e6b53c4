"""Output of results as text and as JSON."""

import json
from dataclasses import asdict
from pathlib import Path
from statistics import median

from benchmarks.outcome import Judgement, Outcome, Ratio

UNITS = {
    'cpu_us': ('CPU µs/request', '{:,.0f}'),
    'database_us': ('PostgreSQL µs/request', '{:,.0f}'),
    'total_us': ('both, µs/request', '{:,.0f}'),
    'per_second': ('requests/s', '{:,.0f}'),
    'p50_ms': ('p50 ms', '{:,.2f}'),
    'seconds': ('s', '{:.2f}'),
    'cpu_seconds': ('CPU s', '{:.2f}'),
    'growth_mib': ('peak memory + MiB', '{:.1f}'),
}


def print_outcome(outcome: Outcome) -> None:
    """Print the figures of each measured case (median, minimum and maximum), and the ratios."""
    print(f'\n{outcome.title}')
    metrics = [m for m in UNITS if any(f.get(m) is not None for f in _all(outcome))]
    rows = [['', *(UNITS[metric][0] for metric in metrics)]]
    for cell, rounds in outcome.cells.items():
        rows.append(
            [cell, *(_spread(metric, [f.get(metric) for f in rounds]) for metric in metrics)]
        )
    _print_table(rows)
    for judgement in outcome.judgements():
        ratio = judgement.ratio
        form = '{:.1f}' if ratio.under is None else '{:.2f}'
        print(f'  {ratio.title}: {_range(form, judgement.values)}')
    for note in outcome.notes:
        print(f'  {note}')


def print_targets(outcomes: list[Outcome], *, is_quick: bool) -> None:
    """Print the wanted and the measured ratio of each target, ours to the naive implementation."""
    rows = [['target', 'wanted', 'found', '']]
    for outcome in outcomes:
        for judgement in outcome.judgements():
            if judgement.met is not None:
                rows.append(_target_row(outcome, judgement))
    if len(rows) > 1:
        print('\nTargets, judged by the median' + (' (quick: not reliable)' * is_quick))
        _print_table(rows)


def write_json(path: Path, machine: dict, outcomes: list[Outcome]) -> None:
    """Write all figures of all rounds to a JSON file."""
    found = [
        {
            'name': outcome.name,
            'title': outcome.title,
            'cells': outcome.cells,
            'notes': outcome.notes,
            'ratios': [
                asdict(j.ratio) | {'values': j.values, 'median': j.middle, 'met': j.met}
                for j in outcome.judgements()
            ],
        }
        for outcome in outcomes
    ]
    path.write_text(json.dumps({'machine': machine, 'outcomes': found}, indent=2) + '\n')


def _target_row(outcome: Outcome, judgement: Judgement) -> list[str]:
    verdict = 'met' if judgement.met else 'NOT MET'
    if not judgement.is_proven:
        verdict += ', not in every round'
    stretch = judgement.ratio.stretch
    if stretch is not None and judgement.middle >= stretch:
        verdict += ', and the stretch'
    form = '{:.1f}' if judgement.ratio.under is None else '{:.2f}'
    title = f'{outcome.name}: {judgement.ratio.title}'
    return [title, _wanted(judgement.ratio), _range(form, judgement.values), verdict]


def _wanted(ratio: Ratio) -> str:
    if ratio.at_most is not None:
        return f'≤ {ratio.at_most:g}'
    return f'≥ {ratio.at_least:g}' + (f' (stretch {ratio.stretch:g})' if ratio.stretch else '')


def _spread(metric: str, values: list[float | None]) -> str:
    known = [value for value in values if value is not None]
    return _range(UNITS[metric][1], known) if known else '–'


def _range(form: str, values: list[float]) -> str:
    low, middle, high = map(form.format, (min(values), median(values), max(values)))
    return middle if low == high else f'{middle} ({low}–{high})'


def _all(outcome: Outcome) -> list:
    return [figures for rounds in outcome.cells.values() for figures in rounds]


def _print_table(rows: list[list[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        first, *others = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print(('  ' + '  '.join([first, *others])).rstrip())
