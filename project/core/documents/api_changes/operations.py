"""Comparison of two operations: a method of a path in each of two OpenAPI documents."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, NamedTuple, TypeAlias

from limits import parse

from .differences import Difference, Direction
from .schema_values import Document, resolved
from .schemas import SchemaComparison

Operation: TypeAlias = Mapping[str, Any]

# Responses to requests with `Range` or `If-None-Match`. Only clients that send these headers
# receive them.
CONDITIONAL_CODES = ('206', '304')


class OperationComparison(NamedTuple):
    """The comparison of operations of two documents."""

    old_document: Document
    new_document: Document

    def compare(self, old: Operation, new: Operation) -> Iterator[Difference]:
        """Yield the differences of two operations, apart from their method and path."""
        yield from _compare_names(old, new)
        yield from _compare_deprecation(old, new)
        yield from _compare_access(old, new)
        yield from _compare_rate_limit(old.get('x-rate-limit'), new.get('x-rate-limit'))
        yield from self._compare_parameters(old, new)
        yield from self._compare_body(old.get('requestBody'), new.get('requestBody'))
        yield from self._compare_responses(old['responses'], new['responses'])

    def _compare_parameters(self, old: Operation, new: Operation) -> Iterator[Difference]:
        olds, news = _parameters(old), _parameters(new)
        for key in [*olds, *(key for key in news if key not in olds)]:
            shown = f'{key[0]} parameter {(news.get(key) or olds[key])["name"]}'
            before, after = olds.get(key), news.get(key)
            if before and after:
                for each in self._compare_parameter(before, after):
                    yield each.at(shown)
            elif after:
                is_required = after.get('required', False)
                kind = 'required' if is_required else 'optional'
                yield Difference(f'{shown} was added ({kind})', is_required)
            else:
                yield Difference(f'{shown} was removed', True)

    def _compare_parameter(self, old: Operation, new: Operation) -> Iterator[Difference]:
        if old['name'] != new['name'] and old['in'] == 'path':
            # Generated clients pass it by name.
            yield Difference(f'name {old["name"]} became {new["name"]}', True)
        if old.get('required', False) != new.get('required', False):
            is_now = new.get('required', False)
            yield Difference('is now required' if is_now else 'is no longer required', is_now)
        for name in ('style', 'explode', 'allowReserved'):
            if old.get(name) != new.get(name):
                yield Difference(f'{name} {old.get(name)} became {new.get(name)}', True)
        yield from self._schemas(Direction.REQUEST).compare(
            old.get('schema', {}), new.get('schema', {})
        )

    def _compare_body(self, old: Operation | None, new: Operation | None) -> Iterator[Difference]:
        if old is None and new is None:
            return
        if old is None or new is None:
            is_required = bool(new and new.get('required'))
            text = 'was removed' if new is None else 'was added'
            yield Difference(f'request body {text}', new is None or is_required)
            return
        if old.get('required', False) != new.get('required', False):
            is_now = new.get('required', False)
            text = 'is now required' if is_now else 'is no longer required'
            yield Difference(f'request body {text}', is_now)
        yield from self._compare_content('request body', old, new, Direction.REQUEST)

    def _compare_responses(self, old: Operation, new: Operation) -> Iterator[Difference]:
        for code in sorted({*old, *new}):
            place = f'response {code}'
            if code in old and code in new:
                # A component that both documents have is compared only once, not in each operation.
                if old[code].get('$ref') is None or old[code] != new[code]:
                    yield from self.compare_response(place, old[code], new[code])
            elif code in old:
                # Clients of a route that no longer returns an error keep working.
                yield Difference(f'{place} was removed', not _is_error(code))
            else:
                is_expected = _is_error(code) or code in CONDITIONAL_CODES
                yield Difference(f'{place} was added', not is_expected)

    def compare_response(self, place: str, old: Operation, new: Operation) -> Iterator[Difference]:
        """Yield the differences of two responses with the same status code."""
        old, new = resolved(old, self.old_document), resolved(new, self.new_document)
        yield from self._compare_content(place, old, new, Direction.RESPONSE)
        yield from _compare_keys(place, old, new)
        olds = {name.lower(): header for name, header in old.get('headers', {}).items()}
        for name, header in new.get('headers', {}).items():
            before = olds.pop(name.lower(), None)
            if before is None:
                yield Difference(f'{place}: header {name} was added', False)
                continue
            before, header = (
                resolved(before, self.old_document), resolved(header, self.new_document)
            )  # fmt: skip
            schemas = (each.get('schema', {}) for each in (before, header))
            for each in self._schemas(Direction.RESPONSE).compare(*schemas):
                yield each.at(f'{place}, header {name}')
        for name in old.get('headers', {}):
            if name.lower() in olds:
                yield Difference(f'{place}: header {name} was removed', True)

    def _compare_content(
        self, place: str, old: Operation, new: Operation, direction: Direction
    ) -> Iterator[Difference]:
        """Compare the media types of bodies, and the schema of each."""
        olds, news = old.get('content', {}), new.get('content', {})
        for kind in sorted({*olds, *news}):
            if kind not in news:
                yield Difference(f'{place}: media type {kind} was removed', True)
            elif kind not in olds:
                # A response without a body had no media type: clients do not expect a body.
                is_breaking = direction is Direction.RESPONSE and not olds
                yield Difference(f'{place}: media type {kind} was added', is_breaking)
            else:
                shown = place if kind == 'application/json' else f'{place} ({kind})'
                schemas = (each[kind].get('schema', {}) for each in (olds, news))
                for each in self._schemas(direction).compare(*schemas):
                    yield each.at(shown)

    def _schemas(self, direction: Direction) -> SchemaComparison:
        return SchemaComparison(self.old_document, self.new_document, direction)


def sunset_of(operation: Operation) -> date | None:
    """Return the announced date from which a deprecated operation may be removed."""
    text = operation.get('x-sunset') if operation.get('deprecated') else None
    return None if text is None else date.fromisoformat(text)


def _compare_keys(place: str, old: Operation, new: Operation) -> Iterator[Difference]:
    """Compare the keys of an error response. A removed and an added key may be a renamed one."""
    before, after = set(old.get('x-keys', ())), set(new.get('x-keys', ()))
    for name in sorted(before - after):
        yield Difference(f'{place}: key {name} was removed', bool(after - before))
    for name in sorted(after - before):
        yield Difference(f'{place}: key {name} was added', False)


def _compare_names(old: Operation, new: Operation) -> Iterator[Difference]:
    """Compare the names that generated clients use, and the texts for people."""
    for name in ('operationId', 'tags'):
        before, after = old.get(name), new.get(name)
        if before != after:
            yield Difference(f'{name} {_joined(before)} became {_joined(after)}', True)
    for name in ('summary', 'description'):
        if old.get(name) != new.get(name):
            yield Difference(f'{name} was changed', False)


def _compare_deprecation(old: Operation, new: Operation) -> Iterator[Difference]:
    if bool(old.get('deprecated')) != bool(new.get('deprecated')):
        text = 'is now deprecated' if new.get('deprecated') else 'is no longer deprecated'
        yield Difference(text, False)
    before, after = sunset_of(old), sunset_of(new)
    if before and after and before != after:
        # The earlier date was a promise to clients.
        yield Difference(f'sunset {before} became {after}', after < before)


def _compare_access(old: Operation, new: Operation) -> Iterator[Difference]:
    """Compare which callers an operation accepts."""
    was_public, is_public = (not each.get('security') for each in (old, new))
    if was_public != is_public:
        text = 'no longer requires a login' if is_public else 'now requires a login'
        yield Difference(text, was_public)
        return
    for name in ('x-permission', 'x-scope', 'x-fresh', 'x-own'):
        before, after = old.get(name), new.get(name)
        if before != after:
            # A route without a scope accepts no API keys. `x-own` is an exception for owners, who
            # need no permission. All other keys are requirements.
            grants = before is None if name in ('x-scope', 'x-own') else after is None
            if name == 'x-own' and new.get('x-permission') is None:
                grants = True
            yield Difference(f'{name} {_joined(before)} became {_joined(after)}', not grants)


def _compare_rate_limit(old: str | None, new: str | None) -> Iterator[Difference]:
    if old != new:
        is_lower = new is not None
        if old is not None and new is not None:
            before, after = parse(old), parse(new)
            more, sooner = after.amount >= before.amount, after.get_expiry() <= before.get_expiry()
            is_lower = not (more and sooner)
        yield Difference(f'rate limit {_joined(old)} became {_joined(new)}', is_lower)


def _parameters(operation: Operation) -> dict[tuple[str, str], Operation]:
    """Return the parameters by their kind, and their name or, in the path, their position."""
    found, in_path = {}, 0
    for parameter in operation.get('parameters', ()):
        kind, name = parameter['in'], parameter['name']
        if kind == 'path':
            name, in_path = str(in_path), in_path + 1
        found[kind, name.lower() if kind == 'header' else name] = parameter
    return found


def _is_error(code: str) -> bool:
    return code[:1] in ('4', '5')


def _joined(value: Any) -> str:
    if value is None:
        return '(none)'
    return ', '.join(value) if isinstance(value, list) else str(value)
