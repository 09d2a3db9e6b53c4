"""Settings of the features: each feature with settings has a module here, named as the feature.

The module declares a class `Settings`. A class `TestingSettings` may set other values for tests.
"""

from importlib import import_module
from pathlib import Path

FOLDER = Path(__file__).parent


def declarations(class_name: str, folder: Path = FOLDER) -> tuple[type, ...]:
    """Return the class with this name from each module that has it, sorted by feature.

    :param class_name: `Settings` or `TestingSettings`.
    :raises ValueError: if a module has no class `Settings`, or the name of a setting does not begin
        with the name of its feature.
    """
    names = sorted(path.stem for path in folder.glob('*.py') if path.stem != '__init__')
    modules = {name: import_module(f'{__name__}.{name}') for name in names}
    for name, module in modules.items():
        if not hasattr(module, 'Settings'):
            raise ValueError(f'config/features/{name}.py declares no class Settings')
    found = {name: getattr(module, class_name, None) for name, module in modules.items()}
    for name, declared in found.items():
        for key in filter(str.isupper, dir(declared)):
            if not key.startswith(f'{name.upper()}_'):
                raise ValueError(
                    f'config/features/{name}.py declares {key}: '
                    f'the settings of this feature begin with {name.upper()}_'
                )
    return tuple(declared for declared in found.values() if declared)
