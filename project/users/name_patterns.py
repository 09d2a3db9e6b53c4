"""Patterns of usernames and role names, and the reserved usernames."""

#: A username as it is stored.
USERNAME = '^[a-z][a-z0-9_-]{2,31}$'

#: A username as clients may send it. The service converts it to lower case.
TYPED_USERNAME = USERNAME.replace('a-z', 'A-Za-z')

#: The name of a role.
ROLE = '^[a-z][a-z0-9_-]{1,31}$'

# Path segments directly below `/users`. If a user had one of these names, the path of the user
# would be that of another route, such as `/users/me`. If this tuple lacks a segment, the
# application does not start.
PATH_WORDS = ('me', 'roles', 'import', 'export', 'stats')

# Names that suggest an operator. The mailbox names are from RFC 2142.
OFFICIAL_WORDS = (
    'admin', 'administrator', 'root', 'system', 'support', 'security', 'staff', 'official',
    'moderator', 'help', 'abuse', 'noc', 'hostmaster', 'postmaster', 'webmaster', 'no-reply',
    'noreply',
)  # fmt: skip

RESERVED_USERNAMES = frozenset((*PATH_WORDS, *OFFICIAL_WORDS))
