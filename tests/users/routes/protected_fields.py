"""Fields of a user that clients cannot set."""

from project.users.schemas import UserSchema

# Fields of `UserSchema` that no request may contain. Exception: `user_create` accepts `roles`.
PROTECTED = sorted(set(UserSchema().fields) - {'username', 'email', 'name', 'bio'})
