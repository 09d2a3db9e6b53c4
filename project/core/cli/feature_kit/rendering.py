"""Rendering of the files of a new feature from the files of the template.

The template is a real feature, `tests/feature_template`. Its names are replaced.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill

from .adaptation import Reference, adapt_lines, add_imports
from .fields import Field
from .selection import select_lines
from .words import Words, plural_of, replace_words

FEATURE, MODEL = Words('book_club'), Words('rare_book')
MODELS = Words(plural_of(MODEL.snake))

REQUIRES = "requires = ('users',)"
LINE_CHARACTERS = 100
DOCSTRING = re.compile(r'^ *"""(?:.|\n)*?"""', re.MULTILINE)
NESTED_GROUP = """rare_books_cli = FeatureGroup('rare-books', help='Manage rare books.')
book_club_cli.add_command(rare_books_cli)
"""


@dataclass(frozen=True, slots=True)
class Model:
    """A model to generate, and its feature.

    :param plural: the plural of its name. The modules of the model have this name, too.
    :param references: the target of each field of type `ref`, by the argument of `ref`.
    :param requires: the features that the feature of the model requires.
    """

    feature: Words
    name: Words
    plural: Words
    fields: Sequence[Field]
    references: Mapping[str, Reference]
    requires: Sequence[str]

    @property
    def table(self) -> str:
        """Return the name of the table: `billing_payments`, or `notes` in the feature `notes`."""
        is_main = self.plural == self.feature
        return self.feature.snake if is_main else f'{self.feature.snake}_{self.plural.snake}'

    @property
    def url(self) -> str:
        """Return the path of the list of rows."""
        topic = '' if self.plural == self.feature else f'/{self.plural.kebab}'
        return f'/api/v1/{self.feature.kebab}{topic}'


def render_files(template: Path, model: Model) -> Iterator[tuple[Path, str]]:
    """Yield the path and the text of each file of a feature with one model."""
    for source in sorted(template.rglob('*')):
        path = source.relative_to(template)
        if len(path.parts) > 1 and source.suffix in ('.py', '.md'):
            text = source.read_text(encoding='utf-8')
            yield Path(rename(str(path), model)), render(text, model)


def render(text: str, model: Model) -> str:
    """Return the text of a new file for a model.

    :param text: the text of the file of the template.
    """
    for target in model.references.values():
        text = add_imports(text, target)
    text = select_lines(
        text, model.fields, lambda field, unit: adapt_lines(field, unit, model.references)
    )
    if model.feature.snake == 'users' and 'import ModelFactory' in text:
        # The module itself defines this factory.
        text = text.replace('from tests.users.factories import UserFactory\n', '')
    text = text.replace(REQUIRES, f'requires = {tuple(model.requires)!r}')
    text = rename(_without_topic(text) if model.plural == model.feature else text, model)
    return DOCSTRING.sub(lambda match: _wrapped(match[0]), text)


def rename(text: str, model: Model) -> str:
    """Replace the names of the template (`book_club`, `rare_book`) by those of a model."""
    return replace_words(text, {FEATURE: model.feature, MODELS: model.plural, MODEL: model.name})


def _without_topic(text: str) -> str:
    """Remove repeated names if the model is named as its feature: `/notes`, not `/notes/notes`."""
    for long, short in (
        (NESTED_GROUP, ''),
        ('book_club_rare_books', 'book_club'),
        ('/book-club/rare-books', '/book-club'),
        ("'/rare-books", "'"),
        ("'book-club', 'rare-books'", "'book-club'"),
        ('book-club rare-books', 'book-club'),
    ):
        text = text.replace(long, short)
    return text


def _wrapped(docstring: str) -> str:
    """Wrap a docstring again, because the new names have other lengths. Keep its first line."""
    summary, *paragraphs = docstring.split('\n\n')
    parts = [re.split(r'\n(?= *(?::|"""))', paragraph) for paragraph in paragraphs]
    return '\n\n'.join([summary, *('\n'.join(map(_filled, lines)) for lines in parts)])


def _filled(text: str) -> str:
    indentation = re.match(' *', text)[0]  # type: ignore[index]
    further = indentation + (' ' * 4 if text.lstrip().startswith(':') else '')
    return fill(
        ' '.join(text.split()),
        LINE_CHARACTERS,
        initial_indent=indentation,
        subsequent_indent=further,
        break_long_words=False,
        break_on_hyphens=False,
    )
