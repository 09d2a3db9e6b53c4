"""The last steps of a change to features, in a copy of the repository: migration and documents."""

from flask import Flask


def finish(app: Flask, message: str | None) -> None:
    """Write the migration of the changed models, and the generated documents.

    The database of the application is empty at the beginning, and has all tables at the end.

    :param message: the message of the migration; None if no model is new.
    :raises SystemExit: if a step fails.
    """
    runner = app.test_cli_runner()
    migrate = [('db', 'migrate', '-m', message), ('db', 'upgrade')] if message else []
    for command in (('db', 'upgrade'), *migrate, ('db', 'check'), ('api', 'write')):
        result = runner.invoke(args=command)
        if result.exit_code:
            reason = result.output.strip().splitlines()[-1:] or [repr(result.exception)]
            raise SystemExit(f'flask {" ".join(command)}: {reason[0]}')
