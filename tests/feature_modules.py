"""Modules that each feature may have in its folder of tests, for the tests across features."""

from importlib import import_module
from pathlib import Path
from types import ModuleType

from project.core.features import find_features

FOLDER = Path(__file__).parent


def feature_modules(name: str) -> list[ModuleType]:
    """Return the module of that name of each feature that has one: `tests/<feature>/<name>.py`.

    So a test across features needs no list of features, and a feature can come out.
    """
    return [
        import_module(f'tests.{feature.name}.{name}')
        for feature in find_features()
        if (FOLDER / feature.name / f'{name}.py').is_file()
    ]
