"""Warnings about names without an effect: misspelt, removed and misplaced settings."""

import re
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from functools import cache

# Other programs also use variables with these prefixes. So an unknown name with such a prefix is
# reported only if the whole name is similar to that of a setting.
SHARED_PREFIXES = {
    'APP', 'DATABASE', 'FRESH', 'HOST', 'LOG', 'MAX', 'PORT', 'PUBLIC', 'REDIS', 'SECRET',
    'SQLALCHEMY', 'WEB',
}  # fmt: skip
MIN_SIMILARITY = 0.85
MIN_SIMILARITY_WITHIN_PREFIX = 0.6

# Kubernetes sets variables for all services of a namespace, such as `API_PORT_8000_TCP_ADDR`.
SERVICE_LINK_PATTERN = re.compile(r'\w+_(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_\w+)?)')


# Variables that are read before the configuration is loaded, or that libraries read.
ENVIRONMENT_ONLY = {
    'APP_CONFIG_FILE', 'APP_ENV', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'GUNICORN_CMD_ARGS',
}  # fmt: skip


def misplaced_names(names: Iterable[str], variables: Iterable[str], *, where: str) -> list[str]:
    """Return a warning for each name that has an effect only in the environment.

    :param variables: the variables of all settings. `<NAME>_FILE` is a variable, too.
    """
    misplaced = {*names} & (ENVIRONMENT_ONLY | {f'{name}_FILE' for name in variables})
    return [
        f'{name} in {where} has no effect: set it in the environment' for name in sorted(misplaced)
    ]


def unknown_names(
    names: Iterable[str], known: Mapping[str, str], *, ignored: Collection[str] = (), where: str
) -> list[str]:
    """Return a warning for each name that is not a setting but resembles one.

    A name resembles a setting if it has the same prefix, or nearly the same letters.

    :param known: the names that an operator could have meant. Each is mapped to the correct name
        for the warning.
    :param ignored: names for which no warning is returned.
    :param where: the source of the names, such as "the environment", for the messages.
    """
    prefixes = {name.partition('_')[0] for name in known if '_' in name} - SHARED_PREFIXES
    ignored = {*ignored, *(f'{name}_FILE' for name in known)}
    found = []
    for name in sorted(set(names) - ignored):
        if known.get(name) == name or SERVICE_LINK_PATTERN.fullmatch(name):
            continue
        is_ours = '_' in name and name.partition('_')[0] in prefixes
        cutoff = MIN_SIMILARITY_WITHIN_PREFIX if is_ours else MIN_SIMILARITY
        nearest = _most_similar(name, tuple(known), cutoff)
        hint = f'; did you mean {known[nearest]}?' if nearest else ''
        if is_ours or nearest:
            found.append(f'{name} in {where} is not a setting{hint}')
    return found


@cache
def _most_similar(name: str, known: tuple[str, ...], cutoff: float) -> str | None:
    """Return the most similar known name, or None.

    It is cached, because the comparison with all settings takes a third of the time in which the
    configuration is loaded, and tests load it 1,000 times.
    """
    return next(iter(get_close_matches(name, known, n=1, cutoff=cutoff)), None)
