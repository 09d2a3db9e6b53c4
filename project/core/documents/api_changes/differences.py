"""`Difference`, one difference between two OpenAPI documents, as the comparisons yield it."""

from dataclasses import dataclass, replace
from enum import Enum


class Direction(Enum):
    """The sender of a value: the client sends requests, the service sends responses.

    A request may not become narrower: the service must accept each value that it accepted before. A
    response may not become wider: clients expect only the values that were possible before.
    """

    REQUEST = 'requests'
    RESPONSE = 'responses'

    def breaks(self, *, narrower: bool, wider: bool) -> bool:
        """Return whether a change of the set of possible values breaks clients."""
        return narrower if self is Direction.REQUEST else wider


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference, without the routes that it affects.

    :param text: the place and the change, such as `query parameter limit: maximum 200 became 100`.
    :param schema: the name of the schema in `components` that contains the place, if there is one.
        All routes that use the schema have the same difference.
    """

    text: str
    is_breaking: bool
    schema: str | None = None

    def at(self, place: str) -> 'Difference':
        """Return the difference with the place of the schema, unless that has a name."""
        if self.schema is not None:
            return self
        # A text that begins with a bracket or a comma continues the name of the place.
        separator = '' if self.text.startswith((', ', '[')) else ': '
        return replace(self, text=f'{place}{separator}{self.text}')
