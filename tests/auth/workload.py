"""Additions of the feature `auth` to the service in `tests/reliability/workload.py`."""

from typing import Any

from flask import Blueprint
from marshmallow import Schema, fields

from project.auth.models import Credential
from project.core.database.session import atomic, db
from project.core.security.password_hashing import hash_password
from project.core.web.endpoints.access import public
from project.core.web.endpoints.endpoint import endpoint
from project.users import service as users


class UsersRequest(Schema):
    """The names of the users to create, and their common password."""

    names = fields.List(fields.Str(), required=True)
    password = fields.Str(required=True)


@endpoint(allow=public, body=UsersRequest)
def users_create(body: dict[str, Any]) -> None:
    """Create users who can log in, all with the same password."""
    password_hash = hash_password(body['password'])
    with atomic():
        for name in body['names']:
            user = users.create_user(username=name, email=f'{name}@example.com')
            db.session.add(Credential(user_id=user.id, password_hash=password_hash))


def extend(workload: Blueprint) -> None:
    """Add the route that creates users."""
    workload.post('/users')(users_create)
