"""The last steps of a change to features, in a copy of the repository: migration and documents."""

from flask import Flask


def finish(app: Flask, message: str) -> None:
    """Write the migration of the changed models, and the generated documents.

    The database of the application is empty at the beginning, and has the new tables at the end.

    :raises SystemExit: if a step fails.
    """
    runner = app.test_cli_runner()
    for command in (
        ('db', 'upgrade'),
        ('db', 'migrate', '-m', message),
        ('db', 'upgrade'),
        ('db', 'check'),
        ('api', 'write'),
    ):
        result = runner.invoke(args=command)
        if result.exit_code:
            reason = result.output.strip().splitlines()[-1:] or [repr(result.exception)]
            raise SystemExit(f'flask {" ".join(command)}: {reason[0]}')
