"""Previews: mails rendered with the example values of their templates."""

import json
from email.message import EmailMessage
from pathlib import Path
from typing import Any, NamedTuple

from flask import Flask, current_app

from project.core.clock import now
from project.core.errors import NotFound
from project.core.registration import Registry

from .rendering import new_message_identity, render_mail

PREVIEW_RECIPIENT = 'ada@example.com'
EXAMPLE_FILE = 'example.json'


class MailTemplateNotFound(NotFound):
    """No feature has a mail with this name."""

    field, reason = 'mail', 'No such mail'


class MailTemplate(NamedTuple):
    """A mail: its name, the folder of its templates, and its subject with example values."""

    name: str
    folder: Path
    subject: str


def mail_templates() -> list[MailTemplate]:
    """Return all mails, sorted by name."""
    environment, found = current_app.jinja_env, []
    for name in mail_names():
        template = environment.get_template(f'mail/{name}/subject.txt')
        subject = template.render(_example_of(name)).strip()
        found.append(MailTemplate(name, Path(str(template.filename)).parent, subject))
    return found


def mail_names() -> list[str]:
    """Return the names of the mails of all features."""
    parts = (name.split('/') for name in current_app.jinja_env.list_templates())
    return sorted({name[1] for name in parts if name[0] == 'mail' and len(name) == 3})


def validate_mail_names(app: Flask) -> None:
    """Check that each mail has one owner. Flask would silently use the templates of the first.

    Call it after all blueprints are registered.

    :raises RegistrationError: if two packages have a mail of the same name; names both packages.
    """
    names: Registry[Path] = Registry('mail')
    folders = [('project.core', app.template_folder)] + [
        (blueprint.import_name, blueprint.template_folder)
        for blueprint in app.iter_blueprints()
        if blueprint.template_folder
    ]
    roots = {'project.core': app.root_path} | {
        blueprint.import_name: blueprint.root_path for blueprint in app.iter_blueprints()
    }
    for owner, folder in folders:
        for path in sorted(Path(roots[owner], folder or '', 'mail').glob('*')):
            names.register(path.name, path, owner=owner)


def preview_mail(name: str) -> EmailMessage:
    """Return a mail, rendered with the values of its `example.json`.

    :raises MailTemplateNotFound: if there is no mail with this name.
    """
    if name not in mail_names():
        raise MailTemplateNotFound
    example = _example_of(name)
    secret = example.pop('secret', None)
    return render_mail(name, PREVIEW_RECIPIENT, example, new_message_identity(now()), secret)


def _example_of(name: str) -> dict[str, Any]:
    """Return the example values of a mail."""
    assert current_app.jinja_env.loader is not None  # noqa: S101 - for the type checker
    text, _, _ = current_app.jinja_env.loader.get_source(
        current_app.jinja_env, f'mail/{name}/{EXAMPLE_FILE}'
    )
    example: dict[str, Any] = json.loads(text)
    return example


def write_preview(name: str, folder: Path) -> list[Path]:
    """Write a mail as `.html`, `.txt` and `.eml` into a folder, and return the paths."""
    message = preview_mail(name)
    folder.mkdir(parents=True, exist_ok=True)
    bodies = {kind: message.get_body((kind,)) for kind in ('html', 'plain')}
    written = {
        'html': (body.get_content() if (body := bodies['html']) else '').encode(),
        'txt': (body.get_content() if (body := bodies['plain']) else '').encode(),
        'eml': bytes(message),
    }
    paths = []
    for ending, content in written.items():
        paths.append(folder / f'{name}.{ending}')
        paths[-1].write_bytes(content)
    return paths
