"""The naive reference: a Flask API in one file, as in a good tutorial, without optimization.

It uses ORM entities, a new marshmallow schema per request, stdlib json, offset pagination with a
count, and multipart uploads. Every response has the headers of `CORS()` and `secure`. It does not
import the service.
"""

import hashlib
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import wraps
from pathlib import Path
from secrets import token_urlsafe

import marshmallow
import secure
import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from flask import Blueprint, Flask, g, request, send_from_directory
from flask_cors import CORS
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import Mapped, mapped_column
from werkzeug.utils import secure_filename

db = SQLAlchemy()
cors = CORS()
secure_headers = secure.Secure.with_default_headers()
api_v1 = Blueprint('api_v1', __name__)


def now() -> datetime:
    return datetime.now(UTC)


class User(db.Model):
    """The columns of the table `users` of the service, plus a role and a password.

    The service stores roles in a separate table; here that would cost another SELECT.
    """

    __tablename__ = 'users'

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(sa.String(32), unique=True)
    email: Mapped[str] = mapped_column(sa.String(254))
    email_key: Mapped[str] = mapped_column(sa.String(254), unique=True)
    name: Mapped[str] = mapped_column(sa.String(80), default='')
    bio: Mapped[str] = mapped_column(sa.Text, default='')
    status: Mapped[str] = mapped_column(sa.String(16), default='active')
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), default=now)
    updated_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), default=now)
    last_login: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))
    role: Mapped[str] = mapped_column(sa.String(32), default='member')
    password_hash: Mapped[str] = mapped_column(sa.String(255), default='')

    @classmethod
    def find_by_login(cls, login: str) -> 'User | None':
        return db.session.scalar(
            sa.select(cls).where(sa.or_(cls.username == login, cls.email == login))
        )


class Token(db.Model):
    """A session of a user. Its primary key is the SHA-256 of the bearer token."""

    __tablename__ = 'tokens'

    id: Mapped[int] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(sa.String(64), unique=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey('users.id', ondelete='CASCADE'), index=True)
    expires_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True))

    user: Mapped[User] = db.relationship()

    @classmethod
    def issue(cls, user: User) -> str:
        """Store a token of the user and return it in plain text."""
        token = token_urlsafe(32)
        expires_at = now() + timedelta(days=30)
        db.session.add(cls(token_hash=digest(token), user_id=user.id, expires_at=expires_at))
        return token


class UserSchema(marshmallow.Schema):
    id = marshmallow.fields.Int()
    username = marshmallow.fields.Str()
    email = marshmallow.fields.Email()
    name = marshmallow.fields.Str()
    bio = marshmallow.fields.Str()
    role = marshmallow.fields.Str()
    status = marshmallow.fields.Str()
    version = marshmallow.fields.Int()
    created_at = marshmallow.fields.DateTime()
    updated_at = marshmallow.fields.DateTime()


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def api_success(data: object = None, http_code: int = 200) -> tuple[dict, int]:
    return {'status': 'success', 'data': data}, http_code


def api_fail(data: object, http_code: int = 400) -> tuple[dict, int]:
    return {'status': 'fail', 'data': data}, http_code


def login_required(view: Callable) -> Callable:
    """Decorate a view: return 401 unless the token is valid and its user is active."""

    @wraps(view)
    def guarded(*args, **kwargs):
        header = request.headers.get('Authorization', '')
        sought = digest(header.removeprefix('Bearer '))
        token = db.session.scalar(sa.select(Token).where(Token.token_hash == sought))
        if token is None or token.expires_at < now() or token.user.status != 'active':
            return api_fail({'authorization': 'Log in first'}, 401)
        g.user = token.user
        return view(*args, **kwargs)

    return guarded


@api_v1.route('/auth/sessions', methods=['POST'])
def session_create():
    class RequestSchema(marshmallow.Schema):
        user_or_email = marshmallow.fields.Str(required=True)
        password = marshmallow.fields.Str(required=True)

    try:
        data = RequestSchema().load(request.get_json(force=True))
    except marshmallow.ValidationError as error:
        return api_fail(error.messages)
    user = User.find_by_login(data['user_or_email'])
    try:
        PasswordHasher().verify(user.password_hash if user else '', data['password'])
    except VerifyMismatchError:
        return api_fail({'credentials': 'Wrong'}, 401)
    token = Token.issue(user)
    user.last_login = now()
    db.session.commit()
    return api_success({'token': token, 'user': UserSchema().dump(user)}, 201)


@api_v1.route('/users/me')
@login_required
def user_me():
    return api_success(UserSchema().dump(g.user))


@api_v1.route('/users')
@login_required
def user_list():
    limit = request.args.get('limit', 50, type=int)
    page = db.paginate(sa.select(User).order_by(User.id), per_page=limit, max_per_page=200)
    users = UserSchema(many=True).dump(page.items)
    return api_success(
        {'items': users, 'page': page.page, 'pages': page.pages, 'total': page.total}
    )


@api_v1.route('/files', methods=['POST'])
@login_required
def file_create():
    upload = request.files['file']
    name = secure_filename(upload.filename)
    path = Path(os.environ['FILES_DIR']) / name
    upload.save(path)
    sha256 = hashlib.sha256()
    with path.open('rb') as saved:
        while block := saved.read(65536):
            sha256.update(block)
    size = path.stat().st_size
    return api_success({'id': name, 'size': size, 'sha256': sha256.hexdigest()}, 201)


@api_v1.route('/files/<path:name>/content')
@login_required
def file_content(name):
    return send_from_directory(os.environ['FILES_DIR'], name, as_attachment=True)


def create_app() -> Flask:
    """Return the reference application for the database in `DATABASE_URL`."""
    app = Flask(__name__)
    app.config['SQLALCHEMY_DATABASE_URI'] = os.environ['DATABASE_URL']
    db.init_app(app)
    cors.init_app(app)
    app.register_blueprint(api_v1, url_prefix='/api/v1')

    @app.route('/healthz')
    def health():
        return api_success({'ok': True})

    @app.after_request
    def set_secure_headers(response):
        secure_headers.set_headers(response)
        return response

    return app
