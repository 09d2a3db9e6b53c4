"""What users announces to features it does not know, inside its own transaction."""

from blinker import Namespace

_signals = Namespace()

#: `send('users', user_id=…)`: the user was disabled; end what they have open.
user_disabled = _signals.signal('user-disabled')

#: `send('users', user_id=…)`: a disabled user may come in again.
user_enabled = _signals.signal('user-enabled')

#: `send('users', user_ids=[…], invite=…, by=…)`: there are new users; with `invite`, whoever knows
#: how people prove who they are asks them in. `by` is the id of who made them, None an operator.
users_created = _signals.signal('users-created')

#: `send('users', user_id=…, was='old@…', by=…)`: the user has another email address. `by` is the id
#: of the user who changed it, None an operator.
user_email_changed = _signals.signal('user-email-changed')

#: `send('users', user_id=…, by=…)`: the user has another username now.
username_changed = _signals.signal('username-changed')

#: `send('users', user_id=…, email='…', by=…)`: the account is closed. No function finds the user or
#: their address any longer; a task erases their data. Revoke, in bounded time, all that works
#: without the user.
user_deleted = _signals.signal('user-deleted')

#: `send('users', user_id=…, was=[…], roles=[…], by=…)`: the user has other roles now.
user_roles_changed = _signals.signal('user-roles-changed')

#: `send('users', name=…, by=…)`: a role was made, allows something else now, or is gone.
role_changed = _signals.signal('role-changed')

#: `send('files', user_id=…, kind='share link', credential=…)`: a feature that is not above `auth`
#: issued a credential of this kind and id.
credential_created = _signals.signal('credential-created')

#: `send('files', user_id=…, kind=…, credential=…)`: the credential is revoked.
credential_deleted = _signals.signal('credential-deleted')

#: `send('users', user_id=…)`: the user wants all that is kept about them as one file.
export_requested = _signals.signal('export-requested')
