"""The checks of `flask doctor` that belong to no dependency, and their evaluation."""


def init_app() -> None:
    """Register all checks of the core.

    Without it, `flask doctor` could not name the checks that do not run because the application
    cannot be created.
    """
    # Imported here, because `packages` must work even if packages of other modules are missing.
    from project.core import mail, task_workers  # noqa: F401
    from project.core.observability import health  # noqa: F401

    from . import (  # noqa: F401
        application,
        clock,
        database_version,
        packages,
        permissions,
        poolers,
        proxies,
        sandbox,
        settings,
    )
