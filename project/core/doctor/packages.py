"""The checks of the Python version and of the installed packages.

This module imports nothing that may be missing, except `packaging`, which comes with gunicorn.
"""

import platform
import re
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, distributions, entry_points, requires, version
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from project.core.checks import (
    DoctorCheck,
    Finding,
    Need,
    Situation,
    State,
    listed_names,
    register_check,
)

# A line of `requirements/app.txt`; the lines after it contain hashes and comments.
PIN_PATTERN = re.compile(r'^([A-Za-z0-9][\w.-]*)==([^\s;\\]+)\s*(?:;([^\\\n]*))?', re.MULTILINE)


def check_python(_situation: Situation) -> Iterator[Finding]:
    """Compare the version of Python with the metadata of the service."""
    yield from compare_python(required_python(), platform.python_version())


def required_python() -> str:
    """Return the versions of Python that the metadata of the service require, such as `>=3.11`.

    :returns: an empty text if the service is not installed as a package.
    """
    # The package has any name; it is the one that has this command.
    commands = entry_points(group='flask.commands', name='doctor')
    found = [command.dist.metadata for command in commands if command.dist]
    return next((each['Requires-Python'] for each in found if 'Requires-Python' in each), '')


def compare_python(required: str, installed: str) -> Iterator[Finding]:
    """Yield whether a version of Python is one of the required versions.

    :param required: a specifier such as `>=3.11`.
    """
    if not required:
        yield Finding(State.NOT_CHECKED, f'{installed}; the service is not installed as a package')
    elif SpecifierSet(required).contains(installed, prereleases=True):
        yield Finding(State.OK, installed)
    else:
        yield Finding(State.FAILED, f'{installed}, but the service needs {required}')


def check_packages(situation: Situation) -> Iterator[Finding]:
    """Compare the installed packages with the pinned ones, or else with their own requirements."""
    path = situation.requirements
    yield from compare_pins(path) if path.is_file() else check_requirements(installed_packages())


def compare_pins(path: Path) -> Iterator[Finding]:
    """Yield the packages whose installed version differs from the pinned one, and missing ones."""
    pins = read_pins(path.read_text(encoding='utf-8'))
    if not pins:
        yield Finding(State.FAILED, f'{path} pins no package')
        return
    missing, other = [], []
    for name, pinned in pins.items():
        try:
            if (found := version(name)) != pinned:
                other.append(f'{name} {found} instead of {pinned}')
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        yield Finding(State.FAILED, f'missing: {listed_names(missing)}')
    if other:
        yield Finding(State.WARNING, f'other versions: {listed_names(other)}', fails_deploy=True)
    if not missing and not other:
        yield Finding(State.OK, f'{len(pins)} packages have the pinned versions')


def read_pins(text: str) -> dict[str, str]:
    """Return the pinned version of each package that this system needs."""
    pins: dict[str, str] = {}
    for name, pinned, marker in PIN_PATTERN.findall(text):
        if not marker.strip() or Requirement(f'{name}; {marker}').marker.evaluate():  # type: ignore[union-attr]
            pins[str(canonicalize_name(name))] = pinned
    return pins


def installed_packages() -> dict[str, str]:
    """Return the versions of all installed packages."""
    return {
        str(canonicalize_name(found.metadata['Name'])): found.version for found in distributions()
    }


def check_requirements(installed: Mapping[str, str]) -> Iterator[Finding]:
    """Yield the requirements of installed packages that no installed package meets."""
    unmet = [
        f'{name} needs {requirement}'
        for name in sorted(installed)
        for requirement in map(Requirement, requires(name) or ())
        if not _is_met(requirement, installed)
    ]
    if unmet:
        yield Finding(State.FAILED, listed_names(unmet))
    else:
        seen = f'{len(installed)} packages have what they need; there are no pinned versions'
        yield Finding(State.OK, seen)


def _is_met(requirement: Requirement, installed: Mapping[str, str]) -> bool:
    # Requirements of extras have a marker; an empty extra means that none was requested.
    environment = {**default_environment(), 'extra': ''}
    if requirement.marker and not requirement.marker.evaluate(environment):  # type: ignore[arg-type]
        return True
    found = installed.get(canonicalize_name(requirement.name))
    return found is not None and requirement.specifier.contains(found, prereleases=True)


register_check(
    'python',
    DoctorCheck(
        function=check_python,
        needs=Need.NOTHING,
        remedy='Install a supported version of Python, and create the environment again.',
    ),
    owner=__name__,
)
register_check(
    'packages',
    DoctorCheck(
        function=check_packages,
        needs=Need.NOTHING,
        remedy='`pip install --require-hashes --no-deps -r requirements/app.txt`',
    ),
    owner=__name__,
)
