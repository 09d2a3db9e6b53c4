"""What users announces to features it does not know, inside its own transaction."""

from blinker import Namespace

_signals = Namespace()

#: `send('users', user_id=…)`: the user is about to be deleted; let go of what is theirs.
user_deleted = _signals.signal('user-deleted')

#: `send('users', user_id=…)`: the user was disabled; end what they have open.
user_disabled = _signals.signal('user-disabled')
