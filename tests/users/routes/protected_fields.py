"""Fields of users that no request may contain."""

from project.users.schemas import UserSchema

# What UserSchema shows and no request may say; `roles` may be said when a user is created.
PROTECTED = sorted(set(UserSchema().fields) - {'username', 'email', 'name', 'bio'})
