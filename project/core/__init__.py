"""The core: code that all features share. It contains no business terms."""

from typing import TYPE_CHECKING

from flask import Flask

if TYPE_CHECKING:
    from .security.authentication import Authentication


def init_app(app: Flask, authentication: 'Authentication | None' = None) -> None:
    """Register all parts of the core with an application.

    :param authentication: the functions that identify callers. If it is None, only public routes
        can be called.
    """
    # Imported here: `flask secret-key` imports this package and needs none of these modules.
    # `throttling` declares a table that only features use, `request_metrics` metrics of the server.
    from . import doctor, images, mail, storage, task_workers, throttling  # noqa: F401
    from .cli import maintenance as maintenance_command
    from .database import migrations, session
    from .development import server_timing
    from .observability import health, logging, metrics
    from .security.authentication import NO_AUTHENTICATION
    from .server import request_metrics  # noqa: F401
    from .tasks import notifications
    from .web import cors, maintenance, no_session, routing
    from .web.endpoints import deprecated_routes, guard, large_responses, rate_limits
    from .web.requests import client_ip, client_text, host
    from .web.responses import error_handlers, headers, jsend

    logging.configure(app)
    for part in (
        session, migrations, storage, notifications, mail, task_workers, images, client_ip,
        client_text, jsend, error_handlers, routing, no_session,
    ):  # fmt: skip
        part.init_app(app)
    # No view is a coroutine. Without this line, Flask checks for coroutines a dozen times per
    # request.
    app.ensure_sync = lambda function: function  # type: ignore[method-assign, assignment]
    # This order matters: `logging` starts its timer first, and logs the final response last. Parts
    # that are registered later may still replace the response.
    for part in (logging, server_timing, headers, host, cors, deprecated_routes, maintenance):
        part.init_app(app)
    guard.init_app(app, authentication or NO_AUTHENTICATION)
    rate_limits.init_app(app)
    large_responses.init_app(app)
    health.init_app(app)
    metrics.init_app(app)
    doctor.init_app()
    maintenance_command.init_app(app)


def validate_routes(app: Flask) -> None:
    """Validate the endpoint specs of all routes, the types of all columns, and the owners of names.

    Call it after all routes are registered.

    :raises UndeclaredRoute: if a route has no endpoint spec, or its handler does not fit its spec.
    :raises HiddenValue: if the path of a route also matches another route with a variable part. For
        example, `/users/export` matches `/users/<username>`, if a username may be `export`.
    :raises DeprecationInvalid: if the dates or the successor of a deprecated route are wrong.
    :raises UnsupportedType: if the type of a column has no form in JSON.
    :raises RegistrationError: if a table, a route, a schema or a mail has two owners, or belongs to
        another feature.
    """
    from .database.column_types import validate_columns
    from .database.session import Base, db
    from .mail.previews import validate_mail_names
    from .table_owners import validate_tables
    from .web import cors
    from .web.endpoints import (
        deprecated_routes,
        guard,
        hidden_values,
        route_owners,
        schema_names,
    )

    validate_columns(db.metadata)
    validate_tables(db.metadata, Base.registry.mappers)
    guard.validate_routes(app)
    cors.enable_cors(app)
    deprecated_routes.validate_deprecations(app)
    hidden_values.validate_arguments(app)
    route_owners.validate_owners(app)
    schema_names.validate_schema_names(app)
    validate_mail_names(app)
