"""Serialization of task arguments as JSON. Secret arguments are encrypted separately."""

import hashlib
import inspect
import json
from html import escape
from typing import Any
from urllib.parse import quote, quote_plus

from project.core.security.encryption import decrypt, encrypt

from .errors import IncompatibleTask
from .registry import Task

# The maximum length of the JSON. Store larger values in object storage, and pass their key as the
# argument.
MAX_ARGUMENTS_BYTES = 64 * 1024
ENCRYPTION_PURPOSE = 'task-arguments'
MASK = '***'

# Owners of tasks that are not users: the service, and operators, who run commands. In a queue, each
# counts like one user.
NO_OWNER, OPERATOR = 0, -1
UNKNOWN_KEY_REASON = (
    'its secrets were encrypted under an unknown SECRET_KEY:'
    ' add that key to SECRET_KEY_FALLBACKS and retry'
)


def serialize(
    task: Task, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[str, bytes | None]:
    """Return the arguments of a call as JSON, and the secret ones as ciphertext, if any.

    :raises TypeError: if the function does not accept the arguments, or a conversion to JSON would
        change them.
    :raises ValueError: if all arguments together are larger than 64 KiB.
    """
    bound = inspect.signature(task.function).bind(*args, **kwargs)
    bound.apply_defaults()
    arguments = dict(bound.arguments)
    secret = {name: arguments.pop(name) for name in task.encrypted & set(arguments)}
    text, hidden = _to_json(task, arguments), _to_json(task, secret) if secret else ''
    if len(text) + len(hidden) > MAX_ARGUMENTS_BYTES:
        raise ValueError(f'the arguments of {task.name} are larger than 64 KiB')
    return text, encrypt(ENCRYPTION_PURPOSE, hidden.encode()) if secret else None


def deserialize(task: Task, text: str, ciphertext: bytes | None) -> dict[str, object]:
    """Return the arguments of a stored task, with the secret ones decrypted.

    :raises IncompatibleTask: if the encryption key is unknown, or the function does not accept the
        arguments, because another version of the service has enqueued the task.
    """
    plaintext = b'{}' if ciphertext is None else decrypt(ENCRYPTION_PURPOSE, ciphertext)
    if plaintext is None:
        raise IncompatibleTask(UNKNOWN_KEY_REASON)
    arguments = {**json.loads(text), **json.loads(plaintext)}
    try:
        inspect.signature(task.function).bind(**arguments)
    except TypeError as error:
        raise IncompatibleTask(f'its arguments do not match the function: {error}') from error
    return arguments


def unique_key(task: Task, text: str) -> str | None:
    """Return the key that equal tasks share, or None if the task is not declared as `unique`."""
    if task.unique is None:
        return None
    arguments = json.loads(text)
    compared = json.dumps([arguments.get(name) for name in task.unique], sort_keys=True)
    return hashlib.sha256(compared.encode()).hexdigest()


def redacted_arguments(text: str, ciphertext: bytes | None, task: Task | None) -> dict[str, object]:
    """Return the arguments of a task, in which `***` replaces each secret one."""
    arguments: dict[str, Any] = json.loads(text)
    hidden = (task.encrypted if task else {'secrets'}) if ciphertext else set()
    # Also mask arguments that the task declares as secret only since it was enqueued.
    hidden = {*hidden, *(task.encrypted & set(arguments) if task else ())}
    return {**arguments, **dict.fromkeys(sorted(hidden), MASK)}


def redact(reason: str, task: Task | None, arguments: dict[str, Any]) -> str:
    """Return the reason of a failure, in which secret arguments of the task are masked."""
    secret = [arguments.get(name) for name in task.encrypted] if task else []
    # Mask the longest secrets first. If a shorter one is a part of a longer one, the rest of the
    # longer one would otherwise stay readable.
    for word in sorted(_text_forms(secret), key=len, reverse=True):
        reason = reason.replace(word, MASK)
    return reason


def _text_forms(value: Any) -> list[str]:
    """Return each text in a secret value, in all forms in which an error message may repeat it."""
    if isinstance(value, dict):
        return _text_forms([*value, *value.values()])
    if isinstance(value, list):
        return [word for item in value for word in _text_forms(item)]
    if value is None or value == '' or isinstance(value, bool):
        return []
    word = str(value)
    # A lone surrogate is valid in JSON, but cannot be encoded for a URL.
    raw = word.encode(errors='replace')
    urls = {quote(raw), quote(raw, safe=''), quote_plus(raw)}
    jsons = {json.dumps(word, ensure_ascii=ascii)[1:-1] for ascii in (True, False)}
    return [*{word, repr(word)[1:-1], repr(raw)[2:-1], escape(word), *urls, *jsons}]


def subject_of(task: Task, text: str) -> int | None:
    """Return the id of the user whom a task is about, or None."""
    return json.loads(text).get(task.subject_argument) if task.subject_argument else None


def owner_of(task: Task, text: str) -> int:
    """Return the owner of a task: the user for whom it runs.

    :returns: the id of a user, `NO_OWNER` or `OPERATOR`.
    """
    if not task.owner_argument:
        return NO_OWNER
    return json.loads(text).get(task.owner_argument) or OPERATOR


def _to_json(task: Task, arguments: dict[str, Any]) -> str:
    try:
        text = json.dumps(arguments, allow_nan=False, separators=(',', ':'))
    except ValueError as error:
        raise TypeError(f'the arguments of {task.name} are not JSON: {error}') from None
    if json.loads(text) != arguments:
        raise TypeError(f'JSON would change the arguments of {task.name}')
    return text
