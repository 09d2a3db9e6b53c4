"""Tables of commands, from their declarations in Click."""

import inspect
from collections.abc import Iterator

import click
from flask import current_app
from flask.cli import FlaskGroup, ScriptInfo

from .owners import Owners


def command_rows(owners: Owners) -> Iterator[tuple[str | None, tuple[str, ...]]]:
    """Yield the owner and the table row of each command, sorted by name."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    # Unlike `app.cli`, this group also has the commands of Flask and of installed packages, such as
    # `flask run`.
    group = FlaskGroup()
    context = click.Context(group, info_name='flask', obj=ScriptInfo(create_app=lambda: app))
    for command, path in _walk(group, context):
        owner = owners.of_module(inspect.unwrap(command.callback or len).__module__)
        yield owner, _cells(command, path)


def _walk(
    group: click.Group, context: click.Context
) -> Iterator[tuple[click.Command, click.Context]]:
    """Yield the commands of a group and of its subgroups, each with its Click context."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None  # noqa: S101 - the group has just listed it
        inner = click.Context(command, parent=context, info_name=name)
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield command, inner
        if isinstance(command, click.Group):
            yield from _walk(command, inner)


def _cells(command: click.Command, context: click.Context) -> tuple[str, ...]:
    arguments = [p.make_metavar(context) for p in command.params if isinstance(p, click.Argument)]
    options = [_option(p) for p in command.params if isinstance(p, click.Option) and not p.hidden]
    summary = inspect.cleandoc(command.help or '').partition('\n\n')[0]
    usage = ' '.join([context.command_path, *arguments])
    return f'`{usage}`', ' '.join(summary.split()), ', '.join(options)


def _option(option: click.Option) -> str:
    """Return the name of an option, with its default if that is a number or a text."""
    name = f'`{max(option.opts, key=len)}`'
    if option.required:
        return f'{name} (required)'
    shows_default = isinstance(option.default, str | int) and option.default and not option.is_flag
    return f'{name} ({option.default})' if shows_default else name
