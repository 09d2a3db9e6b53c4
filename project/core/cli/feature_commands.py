"""Registration of the commands of all features. Two features cannot have the same command."""

from collections.abc import Iterable, Mapping

import click
from flask import Flask

from project.core.registration import RegistrationError, Registry, feature_of, require_prefix

# The commands of Flask, and those that `pyproject.toml` declares. They need no application.
COMMANDS_WITHOUT_APP = ('config', 'doctor', 'routes', 'run', 'secret-key', 'shell')


def add_commands(app: Flask, clis: Mapping[str, Iterable[click.Command]]) -> None:
    """Add the commands of all features to `flask`.

    The name of a command group must begin with the name of its feature, and all its commands must
    be functions of this feature. If two features added a command of the same name, Flask would
    silently replace the first one. So the second one raises an error here.

    :param clis: the commands of each feature, by its package, such as `project.users`.
    :raises RegistrationError: if a name is registered already, or belongs to another feature; names
        both packages.
    """
    commands: Registry[click.Command] = Registry('command')
    for name in {*app.cli.commands, *COMMANDS_WITHOUT_APP}:
        commands.register(name, app.cli.commands.get(name, app.cli), owner='project.core')
    for owner, found in clis.items():
        for command in found:
            commands.register(command.name or '', command, owner=owner)
            if isinstance(command, click.Group):
                require_prefix('command group', command.name or '', owner=owner)
            _require_functions_of(command, owner)
            app.cli.add_command(command)


def _require_functions_of(command: click.Command, owner: str) -> None:
    """Ensure that the functions of a command and its subcommands belong to a feature."""
    module = getattr(command.callback, '__module__', owner)
    if module.startswith('project.') and feature_of(module) != feature_of(owner):
        raise RegistrationError(f'command {command.name!r} of {owner} is a function of {module}')
    for subcommand in getattr(command, 'commands', {}).values():
        _require_functions_of(subcommand, owner)
