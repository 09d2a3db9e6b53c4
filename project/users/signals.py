"""Signals of the feature `users`, which higher features receive in the sender's transaction."""

from blinker import Namespace

_signals = Namespace()

#: `send('users', user_id=…)`: the user was disabled. Receivers revoke the user's credentials.
user_disabled = _signals.signal('user-disabled')

#: `send('users', user_id=…)`: a disabled user was enabled again.
user_enabled = _signals.signal('user-enabled')

#: `send('users', user_ids=[…], invite=…, by=…)`: users were created. If `invite` is true, `auth`
#: sends them invitations. `by` is the id of the user who created them; None for an operator.
users_created = _signals.signal('users-created')

#: `send('users', user_id=…, was='old@…', by=…)`: the email address of a user was changed. `by` is
#: the id of the user who changed it; None for an operator.
user_email_changed = _signals.signal('user-email-changed')

#: `send('users', user_id=…, by=…)`: the username of a user was changed.
username_changed = _signals.signal('username-changed')

#: `send('users', user_id=…, email='…', by=…)`: the account was closed. Queries no longer find the
#: user, and a task erases the data. Receivers must revoke all credentials that work without the
#: user, such as PINs. Their duration must not depend on the amount of the user's data.
user_deleted = _signals.signal('user-deleted')

#: `send('users', user_id=…, was=[…], roles=[…], by=…)`: the roles of a user were changed.
user_roles_changed = _signals.signal('user-roles-changed')

#: `send('users', name=…, by=…)`: a role was created, changed or deleted.
role_changed = _signals.signal('role-changed')

#: `send('files', user_id=…, kind='share link', credential=…)`: a feature that cannot import `auth`
#: has issued a credential. The values are the kind and the id of the credential.
credential_created = _signals.signal('credential-created')

#: `send('files', user_id=…, kind=…, credential=…)`: such a credential was revoked.
credential_deleted = _signals.signal('credential-deleted')

#: `send('users', user_id=…)`: an export of the user's data was requested.
export_requested = _signals.signal('export-requested')
