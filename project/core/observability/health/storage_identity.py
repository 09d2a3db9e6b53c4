"""Check that the configured storage is the one that belongs to the database.

The marker is an empty object in the storage. Its key contains an id that the database also
contains. The first check stores the marker, the id, and a row for the location (`STORAGE_URL`).
After that, the storage at this location is rejected if it has no marker; it never gets a new one
automatically.
"""

from functools import partial
from hashlib import sha256
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

from flask import Flask, current_app, has_app_context

from project.core.checks import CheckResult
from project.core.database.session import in_atomic
from project.core.database.shared_values import find_value, has_value_below, insert_value
from project.core.errors import ServiceUnavailable
from project.core.storage import STORAGE, FallbackStorage, Storage, storage
from project.core.storage.marker import (
    ID_NAME,
    has_other_marker,
    marker_key,
    put_marker,
    storage_samples,
)
from project.core.stored_objects import object_kinds
from project.core.stored_objects.collection import IDENTIFY_STORAGE

LOCATION_PREFIX = 'storage_location/'


def init_app(app: Flask) -> None:
    """Give the storage the function that looks up its marker before the first write or deletion."""
    STORAGE.of(app).find_marker = partial(find_marker, app.config['STORAGE_URL'])
    IDENTIFY_STORAGE.set(app, identify_storage)


def find_marker(url: str) -> str | None:
    """Return the key of the marker of the storage at a URL, or None before the marker exists.

    :raises ServiceUnavailable: if the storage does not belong to the database.
    """
    if not has_app_context():
        return None
    if not in_atomic():
        found = identify_storage()
        if found.state != 'ok':
            raise ServiceUnavailable(f'the storage is {found.state}: {found.reason}')
        return storage().marker
    marker_id = find_value(ID_NAME)
    if marker_id is None or find_value(location_name(url)) is None:
        return None
    return marker_key(marker_id.decode())


def identify_storage() -> CheckResult:
    """Check the marker of the storage: `ok`, `missing` (no marker) or `foreign` (another marker).

    The first call for a location stores the marker there. Exception: the storage seems to be the
    wrong one, because its objects and the rows of the database do not match.
    """
    place, url = storage(), current_app.config['STORAGE_URL']
    if place.marker is not None:
        # An earlier call has found the marker: no query is needed.
        return _found(place, place.marker)
    key = _known_or_new_key()
    location = location_name(url)
    if not place.has_marker(key):
        if find_value(location) is not None:
            return _found(place, key)
        reason = _reason_not_to_mark(place, key)
        if reason and not place.has_marker(key):
            return CheckResult(*reason)
        # Storing the marker is idempotent: another process may have stored the same one in the
        # meantime.
        put_marker(place, key)
    insert_value(location, b'')
    place.marker = key
    return CheckResult()


def location_name(url: str) -> str:
    """Return the name of the database row for a storage location.

    The name contains a hash of the location instead of the URL.
    """
    parts = urlsplit(url)
    # The endpoint is part of the location, because buckets of two servers may have the same name.
    endpoint = parse_qs(parts.query).get('endpoint', [''])[0]
    place = f'{parts.scheme}://{parts.netloc}{parts.path.rstrip("/")}{endpoint}'
    return LOCATION_PREFIX + sha256(place.encode()).hexdigest()


def _known_or_new_key() -> str:
    if (marker_id := find_value(ID_NAME)) is None:
        marker_id = uuid4().hex.encode()
        insert_value(ID_NAME, marker_id)
        # If two processes insert an id concurrently, only the first id is stored: read it.
        marker_id = find_value(ID_NAME) or marker_id
    return marker_key(marker_id.decode())


def _found(place: Storage, key: str) -> CheckResult:
    if place.has_marker(key):
        return CheckResult()
    state = 'foreign' if has_other_marker(_primary(place), key) else 'missing'
    reason = f'no object {key}: mount the volume, or put an empty object there to accept this one'
    return CheckResult(state, reason=reason)


def _reason_not_to_mark(place: Storage, key: str) -> tuple[str, dict[str, str], str] | None:
    """Return why a storage must not get the marker, or None if it may get it.

    :returns: the arguments of a `CheckResult`: state, details and reason.
    """
    accept = f'to accept this storage, put an empty object at {key}'
    samples = [key for find_keys in storage_samples.values.values() for key in find_keys()]
    # There was another location before, and the database has objects. So this location must have
    # them, too.
    if samples and has_value_below(LOCATION_PREFIX):
        # The objects are being moved to a new storage: the old storage is still configured and has
        # the marker.
        if isinstance(place, FallbackStorage) and place.old.has_marker(key):
            return None
        return 'missing', {}, f'the marker is at an earlier STORAGE_URL, and not here; {accept}'
    if current_app.config['STRICT'] and has_other_marker(_primary(place), key):
        return 'foreign', {}, f'the storage belongs to another database; {accept}'
    if not samples and current_app.config['STRICT'] and _has_objects(place):
        return 'foreign', {}, f'it has objects, but the database has no rows for them; {accept}'
    if samples and not any(_has_sample(place, sample) for sample in samples):
        return 'missing', {}, f'it has none of the objects in the database; {accept}'
    return None


def _has_objects(place: Storage) -> bool:
    names = (place.iterate_names(prefix) for prefix in object_kinds())
    return any(listed.is_key for found in names for listed in found)


def _primary(place: Storage) -> Storage:
    """Return the storage that gets new objects: during a move, the new one."""
    return place.new if isinstance(place, FallbackStorage) else place


def _has_sample(place: Storage, key: str) -> bool:
    is_old = isinstance(place, FallbackStorage) and place.old.exists(key)
    return is_old or place.exists(key)
