"""Metrics of the outbox. They are read from the database for each request of Prometheus."""

from project.core.metrics import SampledGauge, Samples
from project.core.tasks.inspection import (
    STATES,
    oldest_waiting_by_queue,
    schedule_ages,
    seconds_since_dispatcher_tick,
    task_stats,
)


def _count_by_state() -> Samples:
    return {(row.name, state): getattr(row, state) for row in task_stats() for state in STATES}


def _age_by_queue() -> Samples:
    return {(queue,): age for queue, age in oldest_waiting_by_queue().items()}


def _since_tick() -> Samples:
    tick = seconds_since_dispatcher_tick()
    return {} if tick is None else {(): tick}


def _overdue_by_schedule() -> Samples:
    return {(age.name,): age.seconds_overdue for age in schedule_ages()}


def _since_enqueued() -> Samples:
    ages = schedule_ages()
    return {
        (age.name,): age.seconds_since_enqueued
        for age in ages
        if age.seconds_since_enqueued is not None
    }


SampledGauge(
    'tasks',
    'Tasks that are not done, by name and state. Dead letters need an operator.',
    ('task', 'state'),
    owner=__name__,
    read=_count_by_state,
)
SampledGauge(
    'tasks_oldest_seconds',
    'Age of the oldest undone task of a queue since it was first due, retries included.',
    ('queue',),
    owner=__name__,
    read=_age_by_queue,
)
SampledGauge(
    'tasks_dispatcher_tick_seconds',
    'Time since a dispatcher last reported that it is alive, which it does every 5 seconds.',
    owner=__name__,
    read=_since_tick,
)
SampledGauge(
    'tasks_schedule_overdue_seconds',
    'Time since a schedule should have run; 0 if it is not due.',
    ('task',),
    owner=__name__,
    read=_overdue_by_schedule,
)
SampledGauge(
    'tasks_schedule_enqueued_seconds',
    'Time since a schedule last enqueued its task.',
    ('task',),
    owner=__name__,
    read=_since_enqueued,
)
