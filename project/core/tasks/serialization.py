"""Arguments of tasks as the outbox keeps them: JSON, with the secret ones encrypted apart."""

import hashlib
import inspect
import json
from html import escape
from typing import Any
from urllib.parse import quote, quote_plus

from project.core.security.encryption import decrypt, encrypt

from .errors import IncompatibleTask
from .registry import Task

MAX_ARGUMENTS_BYTES = (
    64 * 1024
)  # bytes of JSON: what is larger belongs into the storage, and its key in here
ENCRYPTION_PURPOSE = 'task-arguments'
MASK = '***'

# Owners that are no users: the service, and whoever runs commands. Each has one share of a queue.
NO_OWNER, OPERATOR = 0, -1
UNKNOWN_KEY_REASON = (
    'its secrets were encrypted under an unknown SECRET_KEY:'
    ' add that key to SECRET_KEY_FALLBACKS and retry'
)


def serialize(
    task: Task, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[str, bytes | None]:
    """Return the open arguments as JSON, and the secret ones encrypted (None without any).

    Refuses arguments the function does not take, and what does not come back from JSON as it was
    (TypeError); together they may be 64 KiB (ValueError).
    """
    bound = inspect.signature(task.function).bind(*args, **kwargs)
    bound.apply_defaults()
    arguments = dict(bound.arguments)
    secret = {name: arguments.pop(name) for name in task.encrypted & set(arguments)}
    text, hidden = _to_json(task, arguments), _to_json(task, secret) if secret else ''
    if len(text) + len(hidden) > MAX_ARGUMENTS_BYTES:
        raise ValueError(f'the arguments of {task.name} are larger than 64 KiB')
    return text, encrypt(ENCRYPTION_PURPOSE, hidden.encode()) if secret else None


def deserialize(task: Task, text: str, ciphertext: bytes | None) -> dict[str, Any]:
    """Return the arguments, or refuse with Unfit where the function does not take them.

    A deploy may lie between, or be under way.
    """
    opened = b'{}' if ciphertext is None else decrypt(ENCRYPTION_PURPOSE, ciphertext)
    if opened is None:
        raise IncompatibleTask(UNKNOWN_KEY_REASON)
    arguments = {**json.loads(text), **json.loads(opened)}
    try:
        inspect.signature(task.function).bind(**arguments)
    except TypeError as error:
        raise IncompatibleTask(f'its arguments do not fit any more: {error}') from error
    return arguments


def unique_key(task: Task, text: str) -> str | None:
    """Return what two of the same task have in common where one of them is enough."""
    if task.unique is None:
        return None
    arguments = json.loads(text)
    said = json.dumps([arguments.get(name) for name in task.unique], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()


def redacted_arguments(text: str, ciphertext: bytes | None, task: Task | None) -> dict[str, Any]:
    """Return the arguments as people may see them: each secret one as `***`."""
    arguments: dict[str, Any] = json.loads(text)
    hidden = (task.encrypted if task else {'secrets'}) if ciphertext else set()
    # Also what was no secret yet when it was written down.
    hidden = {*hidden, *(task.encrypted & set(arguments) if task else ())}
    return {**arguments, **dict.fromkeys(sorted(hidden), MASK)}


def redact(reason: str, task: Task | None, arguments: dict[str, Any]) -> str:
    """Return what went wrong, less the secrets that an error may have repeated."""
    secret = [arguments.get(name) for name in task.encrypted] if task else []
    # The longest first: what is part of another would leave the rest of it to be read.
    for word in sorted(_words(secret), key=len, reverse=True):
        reason = reason.replace(word, MASK)
    return reason


def _words(value: Any) -> list[str]:
    """Return each text in a value in the forms in which an error may repeat it."""
    if isinstance(value, dict):
        return _words([*value, *value.values()])
    if isinstance(value, list):
        return [word for item in value for word in _words(item)]
    if value is None or value == '' or isinstance(value, bool):
        return []
    word = str(value)
    # Half a letter is JSON, and no URL.
    raw = word.encode(errors='replace')
    urls = {quote(raw), quote(raw, safe=''), quote_plus(raw)}
    jsons = {json.dumps(word, ensure_ascii=ascii)[1:-1] for ascii in (True, False)}
    return [*{word, repr(word)[1:-1], repr(raw)[2:-1], escape(word), *urls, *jsons}]


def subject_of(task: Task, text: str) -> int | None:
    """Return the id of the user whom a task is about."""
    return json.loads(text).get(task.subject_argument) if task.subject_argument else None


def owner_of(task: Task, text: str) -> int:
    """Return whose share of the queue a task takes: a user's id, or one of the two constants."""
    if not task.owner_argument:
        return NO_OWNER
    return json.loads(text).get(task.owner_argument) or OPERATOR


def _to_json(task: Task, arguments: dict[str, Any]) -> str:
    try:
        text = json.dumps(arguments, allow_nan=False, separators=(',', ':'))
    except ValueError as error:
        raise TypeError(f'the arguments of {task.name} are no JSON: {error}') from None
    if json.loads(text) != arguments:
        raise TypeError(f'the arguments of {task.name} would come back from JSON changed')
    return text
