"""The tables that a statement of a migration changes."""

from .sql_tokens import Token, keywords, starts_with, take_name, take_names, without

CHANGES_OF_SCHEMA = ('CREATE', 'ALTER', 'DROP', 'TRUNCATE', 'COMMENT', 'LOCK')
# In other statements, `UPDATE` after one of these words has another meaning.
NOT_BEFORE_UPDATE = ('FOR', 'DO', 'KEY', 'ON')


def is_change_of_schema(tokens: list[Token]) -> bool:
    """Return whether a statement changes a table itself, not its rows."""
    return tokens[0].keyword in CHANGES_OF_SCHEMA


def written_tables(tokens: list[Token]) -> set[str]:
    """Return the names of the tables whose schema or rows a statement changes."""
    if is_change_of_schema(tokens):
        return _changed_tables(tokens)
    words, found = keywords(tokens), set()
    for index, word in enumerate(words):
        is_update = word == 'UPDATE' and (index == 0 or words[index - 1] not in NOT_BEFORE_UPDATE)
        if word == 'INTO' or is_update or words[index - 1 : index + 1] == ['DELETE', 'FROM']:
            found.add(take_name(without(tokens[index + 1 :], 'ONLY'))[0])
    return found


def _changed_tables(tokens: list[Token]) -> set[str]:
    words = keywords(tokens)
    if 'TABLE' in words[:4]:
        rest = tokens[words.index('TABLE') + 1 :]
    elif 'INDEX' in words[:3] and starts_with(tokens, 'CREATE') and 'ON' in words:
        rest = tokens[words.index('ON') + 1 :]
    elif starts_with(tokens, 'TRUNCATE'):
        rest = tokens[1:]
    else:
        return set()
    for phrase in ('IF NOT EXISTS', 'IF EXISTS', 'ONLY'):
        rest = without(rest, phrase)
    is_list = starts_with(tokens, 'DROP') or starts_with(tokens, 'TRUNCATE')
    return set(take_names(rest) if is_list else [take_name(rest)[0]]) if rest else set()
