"""Fields of users that no request may contain."""

from project.users.schemas import UserSchema

# Fields that UserSchema returns and no request may contain, except `roles` in `user_create`.
PROTECTED = sorted(set(UserSchema().fields) - {'username', 'email', 'name', 'bio'})
