"""The last step of `flask feature`: write the migration and the documents.

It runs in a temporary copy of the repository, as a separate process.
"""

from flask import Flask


def finish(app: Flask, message: str | None) -> None:
    """Write the migration of the changed models, and the generated documents.

    The application has a temporary database, which is empty before the call. Afterwards it has all
    tables.

    :param message: the message of the migration; None if no migration is needed.
    :raises SystemExit: if a step fails.
    """
    runner = app.test_cli_runner()
    migrate = [('db', 'migrate', '-m', message), ('db', 'upgrade')] if message else []
    for command in (('db', 'upgrade'), *migrate, ('db', 'check'), ('api', 'write')):
        result = runner.invoke(args=command)
        if result.exit_code:
            reason = result.output.strip().splitlines()[-1:] or [repr(result.exception)]
            raise SystemExit(f'flask {" ".join(command)}: {reason[0]}')
