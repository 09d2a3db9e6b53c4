"""Insertion of the same users into the databases of both applications."""

from benchmarks.databases import Database
from benchmarks.errors import Failed

USERS = """
INSERT INTO users (id, username, email, email_key, name, bio, status, version,
                   created_at, updated_at)
SELECT n, 'user' || n, 'User' || n || '@Example.org', 'user' || n || '@example.org',
       'User Number ' || n, repeat('Writes about measuring things. ', (1 + n %% 4)::int),
       'active', 1,
       timestamptz '2025-01-01' + n * interval '1 minute',
       timestamptz '2025-06-01' + n * interval '1 minute'
FROM generate_series(%s::bigint, %s::bigint) AS n
"""


def grow(database: Database, rows: int, *, also: str | None = None) -> None:
    """Insert users with consecutive ids until the database has `rows` users.

    :param also: a second statement with the same parameters, for rows in another table.
    :raises Failed: if the number of users is wrong afterwards.
    """
    with database.connect() as connection:
        [last] = connection.execute('SELECT coalesce(max(id), 0) FROM users').fetchone()
        if last < rows:
            for statement in filter(None, (USERS, also)):
                connection.execute(statement, [last + 1, rows])
            connection.execute("SELECT setval(pg_get_serial_sequence('users', 'id'), %s)", [rows])
        connection.execute('VACUUM (ANALYZE)')
        [count] = connection.execute('SELECT count(*) FROM users').fetchone()
    if count != max(rows, last):
        raise Failed(f'{database.name}: {count} users instead of {rows}')
