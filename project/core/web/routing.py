"""URL converters: ids of users are integers up to 2147483647; others do not exist (404)."""

from flask import Flask
from werkzeug.exceptions import NotFound
from werkzeug.routing import IntegerConverter

MAX_ID = 2_147_483_647


class IdConverter(IntegerConverter):
    """`<int:…>`. Not the built-in bounds: a number beyond them would be taken for a name."""

    regex = '-?[0-9]+'

    def to_python(self, value: str) -> int:
        """Return the number; refuses with 404 what no column could hold."""
        number = int(value) if len(value) <= 10 else MAX_ID + 1
        # `007` is no other name for 7.
        if not 0 <= number <= MAX_ID or str(number) != value:
            raise NotFound
        return number


def init_app(app: Flask) -> None:
    """Use it wherever a rule says `<int:…>`; an address with a slash too many does not exist."""
    app.url_map.converters['int'] = IdConverter
    # Or `//users` would be answered with a redirect, to whatever host the client named.
    app.url_map.merge_slashes = False
