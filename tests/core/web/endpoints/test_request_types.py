"""Annotations of handlers that differ from the request schemas."""

from typing import NotRequired, TypedDict

import pytest
from marshmallow import Schema, fields

from project.core.web.endpoints.access import public
from project.core.web.endpoints.endpoint import endpoint


class ThingCreateRequest(Schema):
    """A request with a required, a default and an optional value."""

    name = fields.Str(required=True)
    size = fields.Int(load_default=1)
    color = fields.Str()


class ThingBody(TypedDict):
    """The values of the request."""

    name: str
    size: int
    color: NotRequired[str]


class MisspeltBody(TypedDict):
    """The same with another key."""

    nmae: str
    size: int
    color: NotRequired[str]


class RequiredBody(TypedDict):
    """The same without an optional key."""

    name: str
    size: int
    color: str


class TestValidateRequestTypes:
    def test_accepts_the_keys_of_the_schema(self):
        @endpoint(allow=public, body=ThingCreateRequest)
        def thing_create(body: ThingBody): ...

    @pytest.mark.parametrize('values', [MisspeltBody, RequiredBody])
    def test_raises_for_other_keys(self, values):
        def thing_create(body: values | None): ...

        with pytest.raises(TypeError, match=r"must have the keys \['name', 'size'\]"):
            endpoint(allow=public, body=ThingCreateRequest)(thing_create)
