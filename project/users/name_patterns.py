"""Usernames and names of roles: their form, and the usernames that no user may have."""

#: A username as it is kept.
USERNAME = '^[a-z][a-z0-9_-]{2,31}$'

#: The same as it may be typed: it is lower-cased first.
TYPED_USERNAME = USERNAME.replace('a-z', 'A-Za-z')

#: A role's name.
ROLE = '^[a-z][a-z0-9_-]{1,31}$'

# First path segments below /users. A route that is missing here stops the start.
PATH_WORDS = ('me', 'roles', 'import', 'export', 'stats')

# Names that would pass for the operator's (RFC 2142 has the mailbox names).
OFFICIAL_WORDS = (
    'admin', 'administrator', 'root', 'system', 'support', 'security', 'staff', 'official',
    'moderator', 'help', 'abuse', 'noc', 'hostmaster', 'postmaster', 'webmaster', 'no-reply',
    'noreply',
)  # fmt: skip

RESERVED_USERNAMES = frozenset((*PATH_WORDS, *OFFICIAL_WORDS))
