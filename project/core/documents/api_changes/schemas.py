"""Comparison of two JSON Schemas, by the values that each of them accepts."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from .differences import Difference, Direction
from .schema_values import (
    Document,
    Schema,
    accepted_types,
    accepted_values,
    name_of,
    resolved,
    shown,
)

# A higher value of these keywords accepts fewer values, respectively more values.
LOWER_BOUNDS = ('minimum', 'exclusiveMinimum', 'minLength', 'minItems', 'minProperties')
UPPER_BOUNDS = ('maximum', 'exclusiveMaximum', 'maxLength', 'maxItems', 'maxProperties')
# These keywords do not restrict values.
ANNOTATIONS = {
    'title', 'description', 'example', 'examples', 'deprecated', 'readOnly', 'writeOnly',
    'externalDocs', '$comment',
}  # fmt: skip
# These keywords have a function of their own below.
COMPARED = {
    *LOWER_BOUNDS, *UPPER_BOUNDS, 'type', 'enum', 'const', 'not', 'default', 'items', 'properties',
    'required', 'additionalProperties', 'anyOf', 'oneOf',
}  # fmt: skip


class SchemaComparison(NamedTuple):
    """The comparison of schemas of two documents.

    :param seen: the pairs of schema names that are being compared; a schema may contain itself.
    """

    old_document: Document
    new_document: Document
    direction: Direction
    seen: frozenset[tuple[str, str]] = frozenset()

    def compare(self, old: Schema, new: Schema) -> Iterator[Difference]:
        """Yield the differences of two schemas. Their texts begin with the place in the schema."""
        old_name, new_name = name_of(old), name_of(new)
        if old_name and new_name:
            yield from self._compare_named(old, new, old_name, new_name)
        else:
            yield from self._compare_inline(
                resolved(old, self.old_document), resolved(new, self.new_document)
            )

    def _compare_named(
        self, old: Schema, new: Schema, old_name: str, new_name: str
    ) -> Iterator[Difference]:
        if (old_name, new_name) in self.seen:
            return
        if old_name != new_name:
            # A generated client has a class for each schema, with this name.
            yield Difference(f'schema {old_name} became {new_name}', True)
        inner = self._replace(seen=self.seen | {(old_name, new_name)})
        found = inner._compare_inline(
            resolved(old, self.old_document), resolved(new, self.new_document)
        )
        prefix = f'schema {new_name} in {self.direction.value}'
        for each in found:
            yield replace(each.at(prefix), schema=each.schema or new_name)

    def _compare_inline(self, old: Schema, new: Schema) -> Iterator[Difference]:
        yield from self._compare_values(old, new)
        yield from self._compare_branches(old, new)
        yield from self._compare_properties(old, new)
        if 'items' in old or 'items' in new:
            for each in self.compare(old.get('items', {}), new.get('items', {})):
                yield each.at('[]')

    def _compare_values(self, old: Schema, new: Schema) -> Iterator[Difference]:
        """Compare the keywords that restrict a value, except those of its parts."""
        yield from self._compare_sets('type', accepted_types(old), accepted_types(new))
        yield from self._compare_sets('enum', accepted_values(old), accepted_values(new))
        for keyword in sorted({*old, *new} - COMPARED - ANNOTATIONS):
            if not keyword.startswith('x-'):
                before, after = old.get(keyword), new.get(keyword)
                # Whether a pattern or an unknown keyword became narrower is not known.
                yield from self._changed(
                    keyword, before, after, narrower=after is not None, wider=before is not None
                )
        for keyword in (*LOWER_BOUNDS, *UPPER_BOUNDS):
            before, after = old.get(keyword), new.get(keyword)
            narrower, wider = before is None, after is None
            if before is not None and after is not None:
                is_upper = keyword in UPPER_BOUNDS
                narrower = after < before if is_upper else after > before
                wider = not narrower
            yield from self._changed(keyword, before, after, narrower=narrower, wider=wider)
        yield from self._compare_not(old.get('not'), new.get('not'))
        yield from self._compare_default(old, new)

    def _compare_sets(
        self, keyword: str, old: frozenset[str] | None, new: frozenset[str] | None
    ) -> Iterator[Difference]:
        """Compare sets of accepted values. None means that all values are accepted."""
        narrower = new is not None and (old is None or bool(old - new))
        wider = old is not None and (new is None or bool(new - old))
        if old is None or new is None:
            before, after = (None if s is None else ', '.join(sorted(s)) for s in (old, new))
            yield from self._changed(keyword, before, after, narrower=narrower, wider=wider)
        elif old != new:
            parts = (('without', old - new), ('also', new - old))
            text = ' and '.join(f'{word} {", ".join(sorted(s))}' for word, s in parts if s)
            is_breaking = self.direction.breaks(narrower=narrower, wider=wider)
            yield Difference(f'{keyword} {text}', is_breaking)

    def _compare_not(self, old: Any, new: Any) -> Iterator[Difference]:
        """Compare excluded values, such as reserved usernames."""
        if any(set(each or {'enum': []}) != {'enum'} for each in (old, new)):
            yield from self._changed('not', old, new, narrower=True, wider=True)
            return
        before, after = (
            accepted_values(each or {'enum': []}) or frozenset() for each in (old, new)
        )
        for word, values, narrower in (
            ('excludes', after - before, True),
            ('no longer excludes', before - after, False),
        ):
            if values:
                is_breaking = self.direction.breaks(narrower=narrower, wider=not narrower)
                yield Difference(f'{word} {", ".join(sorted(values))}', is_breaking)

    def _compare_default(self, old: Schema, new: Schema) -> Iterator[Difference]:
        """Compare the defaults of requests: a client that omits the value gets another result."""
        if self.direction is Direction.REQUEST:
            before, after = old.get('default'), new.get('default')
            is_breaking = 'default' in old
            yield from self._changed('default', before, after, narrower=is_breaking, wider=False)

    def _changed(
        self, keyword: str, old: Any, new: Any, *, narrower: bool, wider: bool
    ) -> Iterator[Difference]:
        if old != new:
            text = f'{keyword} {shown(old)} became {shown(new)}'
            yield Difference(text, self.direction.breaks(narrower=narrower, wider=wider))

    def _compare_branches(self, old: Schema, new: Schema) -> Iterator[Difference]:
        for keyword in ('anyOf', 'oneOf'):
            before, after = old.get(keyword), new.get(keyword)
            if before is None and after is None:
                continue
            if before and after and len(before) == len(after):
                for number, pair in enumerate(zip(before, after, strict=True), 1):
                    for each in self.compare(*pair):
                        yield each.at(f'{keyword} {number}')
                continue
            olds, news = (
                None if branches is None else frozenset(shown(branch) for branch in branches)
                for branches in (before, after)
            )
            yield from self._compare_sets(keyword, olds, news)

    def _compare_properties(self, old: Schema, new: Schema) -> Iterator[Difference]:
        olds, news = old.get('properties', {}), new.get('properties', {})
        required_before, required_after = set(old.get('required', ())), set(new.get('required', ()))
        for name in sorted({*olds, *news, *required_before, *required_after}):
            place = f', property {name}'
            if name in olds and name not in news:
                is_breaking = self._removal_breaks(new)
                yield Difference(f'{place} was removed', is_breaking)
                continue
            if name in olds and name in news:
                for each in self.compare(olds[name], news[name]):
                    yield each.at(place)
            elif name in news:
                is_breaking = self.direction is Direction.REQUEST and name in required_after
                kind = 'required' if name in required_after else 'optional'
                yield Difference(f'{place} was added ({kind})', is_breaking)
                continue
            if (name in required_before) != (name in required_after):
                is_now = name in required_after
                text = 'is now required' if is_now else 'is no longer required'
                is_breaking = self.direction.breaks(narrower=is_now, wider=not is_now)
                yield Difference(f'{place} {text}', is_breaking)
        yield from self._compare_additional(old, new)

    def _removal_breaks(self, new: Schema) -> bool:
        """Return whether clients break if a property is removed.

        A request with an unknown property is rejected only if the schema forbids additional ones.
        """
        is_request = self.direction is Direction.REQUEST
        return not is_request or new.get('additionalProperties', True) is False

    def _compare_additional(self, old: Schema, new: Schema) -> Iterator[Difference]:
        before, after = (each.get('additionalProperties', True) for each in (old, new))
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            for each in self.compare(before, after):
                yield each.at(', other properties')
        elif before != after:
            narrower = before is True or after is False
            # Clients ignore unknown properties of responses (docs/api.md), so this is compatible.
            text = f'additionalProperties {shown(before)} became {shown(after)}'
            yield Difference(text, self.direction.breaks(narrower=narrower, wider=False))
