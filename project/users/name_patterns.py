"""Patterns of usernames and role names, and the reserved usernames."""

#: A stored username.
USERNAME = '^[a-z][a-z0-9_-]{2,31}$'

#: A username as clients may send it: the service lower-cases it.
TYPED_USERNAME = USERNAME.replace('a-z', 'A-Za-z')

#: The name of a role.
ROLE = '^[a-z][a-z0-9_-]{1,31}$'

# First path segments below /users. A user with one of these names would have the path of another
# route, such as `/users/me`. The application does not start if this tuple lacks a segment.
PATH_WORDS = ('me', 'roles', 'import', 'export', 'stats')

# Names that suggest an operator. The mailbox names are from RFC 2142.
OFFICIAL_WORDS = (
    'admin', 'administrator', 'root', 'system', 'support', 'security', 'staff', 'official',
    'moderator', 'help', 'abuse', 'noc', 'hostmaster', 'postmaster', 'webmaster', 'no-reply',
    'noreply',
)  # fmt: skip

RESERVED_USERNAMES = frozenset((*PATH_WORDS, *OFFICIAL_WORDS))
