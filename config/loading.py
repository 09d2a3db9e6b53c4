"""Loading of the configuration from a class and `APP_CONFIG_FILE`, with all faults of both."""

import inspect
import os
import traceback
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flask import Config as FlaskConfig
from flask import Flask
from flask.helpers import get_debug_flag
from werkzeug.utils import import_string

from . import ENVIRONMENTS, config_for, env
from .names import misplaced_names, unknown_names
from .settings import Setting, declared_settings

FILE_VARIABLE = 'APP_CONFIG_FILE'


@dataclass
class LoadedConfig:
    """The loaded values of all settings. A value that a setting does not accept becomes a fault.

    Such a setting keeps its default value.

    :param sources: the source of each value, by the name of the setting: `environment`, `file`,
        `default`, `APP_CONFIG_FILE` or the name of a class.
    :param faults: the faults because of which the service must not start; each is one line that
        names the setting.
    :param warnings: messages about unknown names.
    :param faults_by_check: the faults that each check has added, by its name.
    """

    settings: dict[str, Setting]
    values: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    faults_by_check: dict[str, list[str]] = field(default_factory=dict)

    def add_faults(self, faults: Iterable[str], *, check: str) -> None:
        """Add faults that a check found, except those of settings that already have a fault.

        The value of such a setting was rejected and replaced by the default. So a new fault would
        concern the default, not the value of the operator.
        """
        faulty = {fault.split()[0].removesuffix('_FILE') for fault in self.faults}
        added = [fault for fault in faults if fault.split()[0] not in faulty]
        self.faults += added
        self.faults_by_check[check] = self.faults_by_check.get(check, []) + added

    def secret_files(self) -> tuple[Path, ...]:
        """Return the existing files from which settings were read: `<NAME>_FILE`, `.env`, …"""
        variables = [setting.variable for setting in self.settings.values() if setting.variable]
        named = [
            os.environ.get(name) for name in (FILE_VARIABLE, *(f'{v}_FILE' for v in variables))
        ]
        paths = [env.ROOT / '.env', *(Path(path) for path in named if path)]
        # Unlike `Path.exists`, it also returns False if a folder above denies access.
        return tuple(path for path in paths if os.path.exists(path))  # noqa: PTH110

    def raise_faults(self) -> None:
        """Raise an error if the configuration has faults.

        :raises SystemExit: with one line that names all faults.
        """
        if self.faults:
            raise SystemExit(f'Refusing to start: {"; ".join(self.faults)}. See .env.example.')

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per setting for `flask config show`. Secrets are masked."""
        environment = os.environ.get('APP_ENV')
        return [
            {
                'name': 'APP_ENV',
                'value': environment or 'production',
                'source': 'environment' if environment else 'default',
                'accepted': ', '.join(ENVIRONMENTS),
                'meaning': 'The class in `config/`.',
            },
            *(
                {
                    'name': setting.variable or key,
                    'value': setting.shown(self.values[key]),
                    'source': self.sources[key],
                    'accepted': setting.kind.wanted,
                    'meaning': setting.meaning,
                }
                for key, setting in sorted(self.settings.items())
            ),
        ]


def load_config(config: object | str | None = None) -> LoadedConfig:
    """Return the configuration of a class; values of `APP_CONFIG_FILE` replace those of the class.

    :param config: a class or its import path; by default `APP_ENV` selects it.
    :raises SystemExit: with one line, if `APP_ENV` is not an environment.
    """
    config = config or config_for()
    found = import_string(config) if isinstance(config, str) else config
    loaded = LoadedConfig(declared_settings(found if isinstance(found, type) else type(found)))
    loaded.values.update(Flask.default_config, DEBUG=get_debug_flag())
    _read_attributes(loaded, found)
    _read_file(loaded, os.environ.get(FILE_VARIABLE) or '')
    known = {key: s.variable or f'{key} in {FILE_VARIABLE}' for key, s in loaded.settings.items()}
    known |= {s.variable: s.variable for s in loaded.settings.values() if s.variable}
    known[FILE_VARIABLE] = FILE_VARIABLE
    loaded.warnings += unknown_names(os.environ, known, where='the environment')
    return loaded


def _read_attributes(loaded: LoadedConfig, found: Any) -> None:
    """Copy the attributes of a class or instance.

    If an attribute is declared as a `Setting`, its value is read from the environment.
    """
    name = getattr(found, '__name__', type(found).__name__)
    for key in filter(str.isupper, dir(found)):
        value = inspect.getattr_static(found, key)
        if isinstance(value, Setting):
            reading = value.read()
            loaded.values[key], loaded.sources[key] = reading.value, reading.source
            loaded.faults += [reading.fault] if reading.fault else []
        else:
            _set(loaded, key, value, name)
    variables = [setting.variable for setting in loaded.settings.values() if setting.variable]
    loaded.warnings += misplaced_names(dir(found), variables, where=name)


def _read_file(loaded: LoadedConfig, path: str) -> None:
    """Replace values by those of a Python file (`APP_CONFIG_FILE`)."""
    if not path:
        return
    # Flask would ignore a missing file, and would search a relative path in the package.
    if not (Path(path).is_absolute() and Path(path).is_file()):
        loaded.faults.append(f'{FILE_VARIABLE} must be the absolute path of a file')
        return
    found = FlaskConfig(env.ROOT)
    try:
        found.from_pyfile(path)
    except Exception as error:
        loaded.faults.append(f'{FILE_VARIABLE} {_reason(error, path)}')
        return
    known = {s.variable: key for key, s in loaded.settings.items() if s.variable}
    loaded.warnings += misplaced_names(found, known, where=FILE_VARIABLE)
    known |= {key: key for key in loaded.settings}
    loaded.warnings += unknown_names(
        found, known, ignored=Flask.default_config, where=FILE_VARIABLE
    )
    for key, value in found.items():
        _set(loaded, key, value, FILE_VARIABLE)


def _set(loaded: LoadedConfig, key: str, value: Any, source: str) -> None:
    """Set the value of a setting, or add a fault if the setting does not accept it.

    The value is a Python object from a class or from `APP_CONFIG_FILE`, not a text.
    """
    setting = loaded.settings.get(key)
    if setting and (fault := setting.kind.fault_of(value)):
        loaded.faults.append(f'{key} in {source} {fault}, and not {setting.quoted(value)}')
        loaded.values.setdefault(key, setting.default)
        loaded.sources.setdefault(key, 'default')
    else:
        loaded.values[key], loaded.sources[key] = value, source


def _reason(error: Exception, path: str) -> str:
    """Return why the Python file at `path` cannot be executed.

    The message has the number of the line, but no values, because they may be secrets.
    """
    if isinstance(error, SyntaxError):
        return f'has a syntax error in line {error.lineno}: {error.msg}'
    if isinstance(error, OSError) and error.filename == path:
        return f'cannot be read: {os.strerror(error.errno or 0)}'
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == path]
    where = f' in line {lines[-1]}' if lines else ''
    return f'raises {type(error).__name__}{where}'
