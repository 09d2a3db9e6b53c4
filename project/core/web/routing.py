"""URLs: the converter for ids of users, and the paths of rules as OpenAPI writes them.

Ids are integers up to 2147483647. URLs with other numbers return 404.
"""

import re

from flask import Flask
from werkzeug.exceptions import NotFound
from werkzeug.routing import IntegerConverter, Rule

MAX_ID = 2_147_483_647
URL_ARGUMENT_PATTERN = re.compile(r'<(?:(?P<kind>\w+)(?:\([^)]*\))?:)?(?P<name>\w+)>')


class IdConverter(IntegerConverter):
    """The converter `<int:…>` for ids. It returns 404 for numbers that are too large.

    It must match them. Otherwise, the URL would match a route for usernames.
    """

    regex = '-?[0-9]+'

    def to_python(self, value: str) -> int:
        """Return the number in a URL.

        :raises NotFound: if it is not in the range of ids, or not in its normal form.
        """
        number = int(value) if len(value) <= 10 else MAX_ID + 1
        # `007` is not accepted, so that it is not another URL of the object with the id 7.
        if not 0 <= number <= MAX_ID or str(number) != value:
            raise NotFound
        return number


def init_app(app: Flask) -> None:
    """Register the converter for `<int:…>`; make URLs with repeated slashes return 404."""
    app.url_map.converters['int'] = IdConverter
    # By default, `//users` would return a redirect to the host in the client's `Host` header.
    app.url_map.merge_slashes = False


def openapi_path(rule: Rule) -> str:
    """Return the path of a rule as OpenAPI writes it: `/users/{user_id}`."""
    return URL_ARGUMENT_PATTERN.sub(r'{\g<name>}', rule.rule)
