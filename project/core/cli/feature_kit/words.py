"""Forms of a name: `rare_book`, `RareBook`, `RARE_BOOK`, `rare-book` and "rare book"."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

MAX_NAME_CHARACTERS = 19

SNAKE = re.compile(r'[a-z][a-z0-9]*(_[a-z0-9]+)*')
PASCAL = re.compile(r'([A-Z][a-z0-9]*)+')
# Endings and nouns whose singular is not the word without its `s`, or not always.
AMBIGUOUS = re.compile(
    '(?:ies|ses|xes|zes|oes|ches|shes|ves|us|is|as|ics)$'
    '|(?:^|_)(?:news|lens|means|indices|matrices|vertices|appendices)$'
    '|(?:^|_)(?:people|children|men|women|data|media|criteria)$'
)


@dataclass(frozen=True, slots=True)
class Words:
    """A name in snake case, and its other forms."""

    snake: str

    @property
    def pascal(self) -> str:
        """Return the name of a class: `RareBook`."""
        return ''.join(word.capitalize() for word in self.snake.split('_'))

    @property
    def kebab(self) -> str:
        """Return the name in URLs and commands: `rare-book`."""
        return self.snake.replace('_', '-')

    @property
    def prose(self) -> str:
        """Return the name in a sentence: `rare book`."""
        return self.snake.replace('_', ' ')

    def forms(self) -> Iterator[str]:
        """Yield all forms, in a fixed order."""
        yield from (self.snake, self.snake.upper(), self.pascal, self.kebab)
        yield from (self.prose, self.prose.capitalize())


def snake_of(pascal: str) -> str:
    """Return the name of a class in snake case."""
    return re.sub(r'(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])', '_', pascal).lower()


def plural_of(word: str) -> str:
    """Return the plural of an English noun in snake case."""
    if re.search(r'[^aeiou]y$', word):
        return f'{word[:-1]}ies'
    return f'{word}es' if re.search(r'(s|x|z|ch|sh)$', word) else f'{word}s'


def is_ambiguous(word: str) -> bool:
    """Return whether the form of an English noun does not show its singular: `movies`, `news`."""
    return bool(AMBIGUOUS.search(word))


def singular_of(word: str) -> str | None:
    """Return the singular of an English noun in snake case.

    :returns: None if the word is not a plural, or if the singular is ambiguous.
    """
    return word[:-1] if re.search('.[^s]s$', word) and not is_ambiguous(word) else None


def replace_words(text: str, words: Mapping[Words, Words]) -> str:
    """Replace names in all their forms, and correct the articles (a, an) before them.

    :param words: the new name for each old name.
    """
    forms: dict[str, str] = {}
    for old, new in words.items():
        for known, wanted in zip(old.forms(), new.forms(), strict=True):
            # For a name of one word, several forms are the same text: use the first of them.
            forms.setdefault(known, wanted)
    longest_first = sorted(forms, key=len, reverse=True)
    pattern = rf'(\b[Aa] `?|_a_)?({"|".join(map(re.escape, longest_first))})(?![a-z])'

    def replacement(match: re.Match[str]) -> str:
        article, wanted = match[1] or '', forms[match[2]]
        if article and _takes_an(wanted):
            article = re.sub('[Aa]', r'\g<0>n', article)
        return article + wanted

    return re.sub(pattern, replacement, text)


def _takes_an(word: str) -> bool:
    """Return whether the indefinite article of a word is `an`."""
    return bool(re.match(r'[aio]|e(?!u)|u[lmnpr](?!i)', word, re.IGNORECASE))
