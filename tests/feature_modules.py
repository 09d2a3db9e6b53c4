"""Access to modules of the same name in the tests of all features, such as `workload.py`."""

from importlib import import_module
from pathlib import Path
from types import ModuleType

from project.core.features import find_features

FOLDER = Path(__file__).parent


def feature_modules(name: str) -> list[ModuleType]:
    """Return `tests/<feature>/<name>.py` of each feature that has this module.

    So a test across features does not name the features, and still works if one is removed.
    """
    return [
        import_module(f'tests.{feature.name}.{name}')
        for feature in find_features()
        if (FOLDER / feature.name / f'{name}.py').is_file()
    ]
