"""Check at the start that type annotations of handlers match the request schemas."""

from typing import NotRequired, TypedDict

import pytest
from marshmallow import Schema, fields

from project.core.web.endpoints.access import public
from project.core.web.endpoints.endpoint import endpoint


class ThingCreateRequest(Schema):
    """A request schema with a required field, one with a default, and an optional one."""

    name = fields.Str(required=True)
    size = fields.Int(load_default=1)
    color = fields.Str()


class ThingBody(TypedDict):
    """The type of a body that matches `ThingCreateRequest`."""

    name: str
    size: int
    color: NotRequired[str]


class MisspeltBody(TypedDict):
    """A type that does not match `ThingCreateRequest`: one key is misspelt."""

    nmae: str
    size: int
    color: NotRequired[str]


class RequiredBody(TypedDict):
    """A type that does not match `ThingCreateRequest`: the optional `color` is required."""

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
