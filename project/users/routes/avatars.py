"""Routes for avatars."""

from typing import TypedDict

from flask import Response
from marshmallow import Schema
from werkzeug.datastructures import FileStorage

from project.core.errors import RangeNotSatisfiable
from project.core.images import ImageTooCostly, ImageTooLarge, ImageUnreadable
from project.core.web.endpoints.access import authenticated, current_principal, public
from project.core.web.endpoints.endpoint import endpoint
from project.core.web.endpoints.locations import PutResult
from project.core.web.requests.fields import UploadedFile
from project.core.web.responses.etags import version_precondition
from project.core.web.responses.file_responses import send_stored_object
from project.core.web.responses.headers import PUBLIC_CONTENT, USER_CONTENT
from project.users import service
from project.users.errors import (
    AvatarChanged,
    AvatarNotFound,
    AvatarTooLarge,
    NoSuchUsername,
    UserNotFound,
)
from project.users.permissions import PROFILE_READ, PROFILE_WRITE
from project.users.schemas import UserProfileSchema

from . import blueprint
from .users import USERNAME_ARGUMENT

WEBP = 'image/webp'

# The limit is high enough to show three pages of 200 users with avatars in a minute.
AVATAR_RATE_LIMIT = '600/minute'


class AvatarForm(Schema):
    """A form with an image file."""

    file = UploadedFile(required=True, metadata={'type': 'string', 'format': 'binary'})


class AvatarFormData(TypedDict):
    """The values of an `AvatarForm`."""

    file: FileStorage


@blueprint.put('/me/avatar')
@endpoint(
    operation_id='replaceAvatar',
    allow=authenticated(PROFILE_WRITE), form=AvatarForm, returns=UserProfileSchema, limit='30/hour',
    max_body_setting='USERS_AVATAR_MAX_SIZE', versioned=True, may_create=True,
    errors=[
        AvatarTooLarge, ImageUnreadable, ImageTooLarge, ImageTooCostly, UserNotFound, AvatarChanged,
    ],
)  # fmt: skip
def avatar_update(form: AvatarFormData) -> PutResult:
    """Set your avatar to an image: JPEG, PNG, GIF, WebP or AVIF. The first avatar returns 201.

    The service stores the square in the middle of the image as WebP of 256 × 256 pixels. It removes
    all metadata, such as the location. Only the first frame of an animation is used.
    """
    stored = service.set_avatar(
        current_principal().user_id, form['file'].stream, expected=version_precondition()
    )
    return PutResult(stored.profile, etag=stored.etag, is_new=stored.is_new)


@blueprint.delete('/me/avatar')
@endpoint(allow=authenticated(PROFILE_WRITE), errors=[AvatarNotFound, UserNotFound, AvatarChanged])
def avatar_delete() -> None:
    """Delete your avatar."""
    service.remove_avatar(current_principal().user_id, expected=version_precondition())


@blueprint.get('/me/avatar')
@endpoint(
    allow=authenticated(PROFILE_READ), security_headers=USER_CONTENT, produces=WEBP,
    limit=AVATAR_RATE_LIMIT,
    errors=[AvatarNotFound, NoSuchUsername, RangeNotSatisfiable],
)  # fmt: skip
def avatar_show() -> Response:
    """Show your avatar."""
    return _picture_of(current_principal().username)


@blueprint.get('/<string:username>/avatar')
@endpoint(
    operation_id='downloadUserAvatar',
    allow=public, security_headers=PUBLIC_CONTENT, produces=WEBP, arguments=USERNAME_ARGUMENT,
    limit=AVATAR_RATE_LIMIT,
    errors=[AvatarNotFound, NoSuchUsername, RangeNotSatisfiable],
)  # fmt: skip
def user_avatar(username: str) -> Response:
    """Show the avatar of a user.

    `profile_image` of a profile is this URL. Any website may embed the image.
    """
    return _picture_of(username)


def _picture_of(username: str) -> Response:
    etag, stream = service.open_avatar(username)
    return send_stored_object(stream, etag=etag, mimetype=WEBP)
