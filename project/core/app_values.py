"""Typed values that belong to an application, such as its storage.

Flask stores such values in `app.extensions`, a dictionary of any values. A type checker finds
neither a misspelt name nor a wrong type in it.
"""

from typing import Generic, TypeVar, cast

from flask import Flask, current_app

T = TypeVar('T')


class AppValue(Generic[T]):
    """A value that each application has, stored in `app.extensions` under a name.

    The module that provides the value declares it with its type: `STORAGE: AppValue[Storage] =
    AppValue('storage')`.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def set(self, app: Flask, value: T) -> T:
        """Store this value for one application, and return it."""
        app.extensions[self.name] = value
        return value

    def is_set(self, app: Flask) -> bool:
        """Return whether an application has the value."""
        return self.name in app.extensions

    def of(self, app: Flask) -> T:
        """Return the value of an application.

        :raises KeyError: if it was not set.
        """
        return cast(T, app.extensions[self.name])

    def get(self) -> T:
        """Return the value of the current application.

        :raises KeyError: if it was not set.
        """
        return self.of(current_app)
