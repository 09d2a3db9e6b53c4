"""The test kit: fixtures and functions for the tests of features. docs/features.md lists them.

`tests/conftest.py` loads the modules in `PLUGINS`. The tests of a feature use nothing else for
these purposes (`tests/kit_borders.py`).
"""

import pytest

MODULES = (
    'clients', 'application', 'clock', 'tasks', 'mailbox', 'queries', 'responses', 'storage',
)  # fmt: skip
PLUGINS = tuple(f'{__name__}.{module}' for module in MODULES)

# Otherwise pytest would not explain assertions in a module that another one imports first.
pytest.register_assert_rewrite(*PLUGINS)
