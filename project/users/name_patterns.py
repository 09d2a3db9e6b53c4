"""Usernames and names of roles: their shape, below whoever asks for one and whoever keeps it."""

#: A username as it is kept.
USERNAME = '^[a-z][a-z0-9_-]{2,31}$'

#: The same as it may be typed: it is lower-cased first.
TYPED_USERNAME = USERNAME.replace('a-z', 'A-Za-z')

#: A role's name.
ROLE = '^[a-z][a-z0-9_-]{1,31}$'
