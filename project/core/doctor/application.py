"""The check that the application can be created."""

from collections.abc import Iterator

from flask import current_app

from project.core.checks import DoctorCheck, Finding, Need, Situation, State, register_check

APPLICATION = 'application'


def check_application(_situation: Situation) -> Iterator[Finding]:
    """Count the routes. If the application cannot be created, `flask doctor` reports the reason."""
    yield Finding(State.OK, f'{len(list(current_app.url_map.iter_rules()))} routes')


register_check(
    APPLICATION,
    DoctorCheck(
        function=check_application,
        needs=Need.APPLICATION,
        remedy='Correct the reason; `flask routes` prints the whole error.',
    ),
    owner=__name__,
)
