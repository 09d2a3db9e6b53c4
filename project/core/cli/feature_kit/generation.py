"""Creation of features, and of further models in a feature."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import click

from project.core.features import find_features

from . import repository, validation
from .fields import parse_fields
from .merging import MergeImpossible, merge_modules
from .rendering import Model, render_files
from .words import Words, is_ambiguous, plural_of, singular_of, snake_of


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """The options that describe a model on the command line.

    :param name: the name of the class; None for the singular of the feature, or its name.
    :param plural: the plural in snake case; None for the English plural.
    :param fields: the text of `--fields`.
    """

    name: str | None
    plural: str | None
    fields: str


class Created(NamedTuple):
    """A model of a new feature, and the new and the changed files."""

    model: Model
    paths: Sequence[Path]


def create_feature(name: str, options: ModelOptions, requires: Sequence[str]) -> Created:
    """Create a feature with one model.

    :raises UsageError: if a name or a field is invalid. Nothing is written.
    """
    repository.ensure_repository()
    validation.check_feature_name(name)
    model = described_model(name, options, requires)
    files = dict(render_files(repository.TEMPLATE, model))
    validation.check_definitions(files, model)
    with repository.copied_repository() as copy:
        _write(copy, files)
        return Created(model, finish(copy, list(files), name, 'first tables'))


def add_model(feature: str, options: ModelOptions) -> list[Path]:
    """Add a model to a feature; return the paths of new and changed files.

    :raises UsageError: if a name or a field is invalid. Nothing is written.
    """
    repository.ensure_repository()
    requires = {each.name: each.requires for each in find_features()}
    if feature not in requires:
        raise click.UsageError(
            f'There is no feature {feature!r}; choose {", ".join(requires)}, '
            f'or create it: flask feature new {feature}'
        )
    model = described_model(feature, options, requires[feature])
    files = dict(render_files(repository.TEMPLATE, model))
    validation.check_new_files(files, model.plural)
    validation.check_definitions(files, model)
    # All files are merged before the first one is written.
    merged = {path: _merged(path, text) for path, text in files.items()}
    changed = {path: text for path, text in merged.items() if text is not None}
    with repository.copied_repository() as copy:
        _write(copy, changed)
        return finish(copy, list(changed), feature, model.plural.prose)


def _write(copy: Path, texts: Mapping[Path, str]) -> None:
    for path, text in texts.items():
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        (copy / path).write_text(text, encoding='utf-8')


def _merged(path: Path, text: str) -> str | None:
    """Return the text of a new file, or of an existing module with the added code.

    :returns: None if the file does not change.
    :raises ClickException: if code must be added by hand; names the file.
    """
    if not (repository.ROOT / path).exists():
        return text
    known = (repository.ROOT / path).read_text(encoding='utf-8')
    if path.suffix != '.py' or not known:
        return None
    try:
        merged = merge_modules(known, text)
    except MergeImpossible as error:
        raise click.ClickException(f'nothing was changed: {path}: {error}') from None
    return merged if merged != known else None


def described_model(feature: str, options: ModelOptions, requires: Sequence[str]) -> Model:
    """Return the model that the options of the command line describe.

    :raises UsageError: if a name or a field is invalid.
    """
    name = options.name or _class_name(feature)
    plural = options.plural or plural_of(snake_of(name))
    validation.check_model_names(name, plural)
    fields = parse_fields(options.fields)
    validation.check_field_names(fields, snake_of(name))
    references = {
        field.arguments[0]: validation.find_reference(field, feature)
        for field in fields
        if field.kind == 'ref'
    }
    needed = validation.required_features(feature, requires, references.values())
    words = Words(feature), Words(snake_of(name)), Words(plural)
    model = Model(*words, fields, references, needed)
    validation.check_constraints(model)
    return model


def finish(copy: Path, written: Sequence[Path], feature: str, message: str) -> list[Path]:
    """Complete a change in a copy of the repository, and move it into the repository.

    Formats the new files, and writes the migration and the documents.

    :param written: the files that were written so far.
    :param message: the message of the migration.
    :returns: the paths of all new and changed files.
    """
    repository.format_code(copy, written)
    repository.finish_changes(copy, message)
    versions = copy / 'migrations' / 'versions'
    others = [str(path.relative_to(copy)) for path in versions.iterdir() if path.name != feature]
    paths = repository.changed_files(copy, ignored=others)
    # The application finds the feature by this file. Move it last, so that the application never
    # finds an incomplete feature.
    last = Path('project', feature, '__init__.py')
    paths.sort(key=lambda path: path == last)
    repository.move_files(copy, paths)
    return paths


def _class_name(feature: str) -> str:
    """Return the class of the model of a feature: `Order` for `orders`, `Billing` for `billing`."""
    if is_ambiguous(feature):
        raise click.UsageError(
            f'The singular of {feature!r} is ambiguous: name the model with --model.'
        )
    return Words(singular_of(feature) or feature).pascal
