"""Words of SQL statements, for rules on the statements of migrations."""

import re
from collections.abc import Iterator

PATTERN = re.compile(
    r"""(?P<skipped>\s+ | --[^\n]* | /\*.*?\*/)
    | (?P<string>[EBXN]?'(?:[^']|'')*' | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
    | "(?P<name>(?:[^"]|"")*)"
    | (?P<word>[A-Za-z_][\w$]*)
    | (?P<other>\d[\d.]* | ::|.)""",
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)


class Token(str):
    """A word of an SQL statement: a keyword, a name, a literal or a mark.

    Its text is the name without quotes, in lower case unless it was quoted. `keyword` is the word
    in upper case, or empty if the token is quoted or a literal, and so cannot be a keyword.
    """

    __slots__ = ('keyword',)

    keyword: str

    def __new__(cls, text: str, keyword: str = '') -> 'Token':
        """Create a token."""
        token = super().__new__(cls, text)
        token.keyword = keyword
        return token


def statements_of(sql: str) -> Iterator[list[Token]]:
    """Yield the tokens of each statement in a text, without comments and semicolons."""
    found: list[Token] = []
    for token in _tokens(sql):
        if token.keyword == ';':
            if found:
                yield found
            found = []
        else:
            found.append(token)
    if found:
        yield found


def _tokens(sql: str) -> Iterator[Token]:
    for match in PATTERN.finditer(sql):
        if match['skipped']:
            continue
        if match['string']:
            yield Token(match['string'])
        elif match['name'] is not None:
            yield Token(match['name'].replace('""', '"'))
        elif match['word']:
            yield Token(match['word'].lower(), match['word'].upper())
        else:
            yield Token(match['other'], match['other'])


def keywords(tokens: list[Token]) -> list[str]:
    """Return the keywords of tokens; those of names in quotes and literals are empty."""
    return [token.keyword for token in tokens]


def split(tokens: list[Token]) -> Iterator[list[Token]]:
    """Yield the parts of tokens between commas that are outside of parentheses."""
    depth, part = 0, list[Token]()
    for token in tokens:
        depth += {'(': 1, ')': -1}.get(token.keyword, 0)
        if token.keyword == ',' and depth == 0:
            yield part
            part = []
        else:
            part.append(token)
    yield part


def outside_parentheses(tokens: list[Token]) -> list[Token]:
    """Return the tokens outside of parentheses."""
    depth, found = 0, []
    for token in tokens:
        depth += token.keyword == '('
        if depth == 0:
            found.append(token)
        depth -= token.keyword == ')'
    return found


def until_parenthesis(tokens: list[Token]) -> list[Token]:
    """Return the tokens before the parenthesis that closes an earlier one."""
    depth = 0
    for index, token in enumerate(tokens):
        depth += {'(': 1, ')': -1}.get(token.keyword, 0)
        if depth < 0:
            return tokens[:index]
    return tokens


def starts_with(tokens: list[Token], *words: str) -> bool:
    """Return whether tokens begin with these keywords."""
    return keywords(tokens[: len(words)]) == list(words)


def contains(tokens: list[Token], *words: str) -> bool:
    """Return whether these keywords follow each other in the tokens."""
    found = keywords(tokens)
    return any(found[i : i + len(words)] == list(words) for i in range(len(found) - len(words) + 1))


def without(tokens: list[Token], *phrases: str) -> list[Token]:
    """Return the tokens without the first of these phrases of keywords at their beginning."""
    for phrase in phrases:
        words = phrase.split()
        if starts_with(tokens, *words):
            return tokens[len(words) :]
    return tokens


def take_name(tokens: list[Token]) -> tuple[str, list[Token]]:
    """Return the name at the beginning of tokens, without its schema, and the other tokens."""
    while len(tokens) > 2 and tokens[1].keyword == '.':
        tokens = tokens[2:]
    return (str(tokens[0]) if tokens else ''), tokens[1:]


def take_names(tokens: list[Token]) -> list[str]:
    """Return the names of the list at the beginning of tokens, without their schemas."""
    return [take_name(without(part, 'ONLY'))[0] for part in split(tokens)]
