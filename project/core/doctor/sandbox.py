"""The check that the system supports the protections of image decoders."""

from collections.abc import Iterator

from project.core.checks import DoctorCheck, Finding, Situation, State, register_check
from project.core.images import missing_protections

# Each of them prevents a decoder from opening files. `sandbox`: the test itself did not run.
ESSENTIAL = {'seccomp', 'landlock'}


def check_sandbox(_situation: Situation) -> Iterator[Finding]:
    """Name the protections of image decoders that this system does not support."""
    missing = missing_protections()
    if not missing:
        yield Finding(State.OK, 'image decoders run with all protections')
        return
    yield Finding(
        State.WARNING,
        f'image decoders run without: {", ".join(missing)}',
        fails_deploy='sandbox' in missing or ESSENTIAL.issubset(missing),
    )


register_check(
    'sandbox',
    DoctorCheck(
        function=check_sandbox,
        remedy='Run on Linux 5.13 or newer, and allow `seccomp` and Landlock in the container: '
        'docs/operations.md, "Systems other than Linux".',
    ),
    owner=__name__,
)
