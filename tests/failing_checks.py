"""Causes because of which the checks of `flask doctor` fail.

The module `failing_checks.py` in the tests of a feature lists a cause for each check of the
feature, in `FAILURES`. `tests/integration/test_failing_checks.py` tries all of them.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

T = TypeVar('T')


@dataclass(frozen=True)
class Preparation:
    """Means with which a cause prepares the machine, and values for the situation of the check."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch
    stack: ExitStack
    situation: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)

    def start(self, context: AbstractContextManager[T]) -> T:
        """Enter a context manager, such as a server, which ends after the test."""
        return self.stack.enter_context(context)


@dataclass(frozen=True)
class Failure:
    """A cause, and the text of the finding.

    :param seen: a regular expression for the finding.
    :param prepare: prepares the machine, and returns the settings of the application.
    """

    check: str
    seen: str
    prepare: Callable[[Preparation], Mapping[str, Any]]
