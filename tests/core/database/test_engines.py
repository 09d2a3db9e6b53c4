"""Options and event handlers of the database engines."""

import sqlite3
from contextlib import closing
from weakref import WeakSet

import pytest
from sqlalchemy import StaticPool, create_engine, text
from sqlalchemy.exc import OperationalError

from project.core.database import engines

SQLITE = {'SQLALCHEMY_DATABASE_URI': 'sqlite://'}
POSTGRESQL = {'SQLALCHEMY_DATABASE_URI': 'postgresql://ada@127.0.0.1/ada'}


class TestEngineOptions:
    @pytest.mark.parametrize('config', [SQLITE, POSTGRESQL])
    def test_set_autocommit(self, config):
        assert engines.engine_options(config)['isolation_level'] == 'AUTOCOMMIT'

    @pytest.mark.parametrize('url', ['sqlite://', 'sqlite:///:memory:'])
    def test_use_one_connection_for_a_database_in_memory(self, url):
        options = engines.engine_options({'SQLALCHEMY_DATABASE_URI': url})

        assert options['poolclass'] is StaticPool
        assert options['connect_args'] == {'check_same_thread': False}

    def test_create_the_folder_of_a_database_file(self, tmp_path):
        path = tmp_path / 'a' / 'b' / 'db'

        options = engines.engine_options({'SQLALCHEMY_DATABASE_URI': f'sqlite:///{path}'})

        assert path.parent.is_dir()
        assert 'poolclass' not in options

    def test_set_timeouts_of_postgresql(self):
        options = engines.engine_options(POSTGRESQL)

        assert '-c statement_timeout=30000' in options['connect_args']['options']
        assert '-c lock_timeout=5000' in options['connect_args']['options']
        assert '-c idle_in_transaction_session_timeout=60000' in options['connect_args']['options']
        assert options['pool_timeout'] == 5

    def test_add_options_of_the_url_to_those_of_the_service(self):
        url = f'{POSTGRESQL["SQLALCHEMY_DATABASE_URI"]}?options=-csearch_path%3Dapp'

        options = engines.engine_options({'SQLALCHEMY_DATABASE_URI': url})

        assert '-c lock_timeout=5000' in options['connect_args']['options']
        assert options['connect_args']['options'].endswith(' -csearch_path=app')

    def test_detect_a_silently_dropped_connection_to_postgresql(self):
        arguments = engines.engine_options(POSTGRESQL)['connect_args']

        probed = arguments['keepalives_idle'] + (
            arguments['keepalives_interval'] * arguments['keepalives_count']
        )
        assert probed <= 30
        assert arguments['tcp_user_timeout'] <= 30_000
        assert arguments['connect_timeout'] == 5

    def test_hide_parameters_in_errors(self):
        engine = create_engine('sqlite://', **engines.engine_options(SQLITE))

        with engine.connect() as connection, pytest.raises(OperationalError) as error:
            connection.execute(text('SELECT :pin FROM nothing'), {'pin': 's3cret'})
        engine.dispose()

        assert 's3cret' not in str(error.value)

    def test_are_overridden_by_the_configuration(self):
        config = {**POSTGRESQL, 'SQLALCHEMY_ENGINE_OPTIONS': {'pool_size': 3}}

        assert engines.engine_options(config)['pool_size'] == 3
        assert engines.engine_options(config)['max_overflow'] == 10


class TestWriteExecutionOptions:
    @pytest.mark.parametrize(
        ('url', 'level'),
        [('sqlite://', 'SERIALIZABLE'), ('postgresql://', 'READ COMMITTED')],
    )
    def test_set_an_isolation_level_with_transactions(self, url, level):
        assert engines.write_execution_options(create_engine(url)) == {'isolation_level': level}


class TestConfigureEngine:
    def test_sets_the_pragmas_of_sqlite(self, tmp_path):
        engine = create_engine(f'sqlite:///{tmp_path}/db', isolation_level='AUTOCOMMIT')
        engines.configure_engine(engine)

        with engine.connect() as connection:
            pragmas = {
                name: connection.exec_driver_sql(f'PRAGMA {name}').scalar()
                for name in ('journal_mode', 'synchronous', 'foreign_keys', 'busy_timeout')
            }
        engine.dispose()

        full = 2
        assert pragmas == {
            'journal_mode': 'wal',
            'synchronous': full,
            'foreign_keys': 1,
            'busy_timeout': 5000,
        }


class TestBrokenConnections:
    """Connections to SQLite that stay unusable after an error; the pool must close them."""

    @pytest.fixture
    def engine(self, tmp_path):
        """Yield an engine whose first connection is read-only; later ones are writable.

        SQLite opens a file read-only if the disk does not allow writes at that moment.
        """
        path = tmp_path / 'db'
        with closing(sqlite3.connect(path)) as connection:
            connection.execute('PRAGMA journal_mode=WAL')
            connection.execute('CREATE TABLE things (id INTEGER)')
        modes = iter(['ro', 'rwc', 'rwc'])

        def connect():
            return sqlite3.connect(f'file:{path}?mode={next(modes)}', uri=True)

        options = engines.engine_options({'SQLALCHEMY_DATABASE_URI': f'sqlite:///{path}'})
        engine = create_engine(f'sqlite:///{path}', creator=connect, **options)
        engines.configure_engine(engine)
        yield engine
        engine.dispose()

    def write(self, engine):
        """Insert a row in a transaction of the given engine."""
        connection = engine.connect().execution_options(**engines.write_execution_options(engine))
        with connection, connection.begin():
            connection.execute(text('INSERT INTO things VALUES (1)'))

    def test_are_not_used_again(self, engine):
        with pytest.raises(OperationalError):
            self.write(engine)

        self.write(engine)

        with engine.connect() as connection:
            assert connection.execute(text('SELECT count(*) FROM things')).scalar() == 1

    def test_are_all_closed_at_once(self, tmp_path):
        path, is_faulty, opened = tmp_path / 'db', True, WeakSet()
        with closing(sqlite3.connect(path)) as connection:
            connection.execute('PRAGMA journal_mode=WAL')
            connection.execute('CREATE TABLE things (id INTEGER)')

        class Shared(sqlite3.Connection):
            """A connection of an engine whose new connections are read-only while any is open.

            SQLite behaves like this because all connections share the index of its WAL file.
            """

            def close(self):
                opened.discard(self)
                super().close()

        def connect():
            mode = 'ro' if is_faulty or opened else 'rwc'
            made = sqlite3.connect(f'file:{path}?mode={mode}', uri=True, factory=Shared,
                                   check_same_thread=False)  # fmt: skip
            opened.add(made)
            return made

        options = engines.engine_options({'SQLALCHEMY_DATABASE_URI': f'sqlite:///{path}'})
        engine = create_engine(f'sqlite:///{path}', creator=connect, **options)
        engines.configure_engine(engine)
        with engine.connect(), engine.connect(), engine.connect():
            is_faulty = False
        with pytest.raises(OperationalError):
            self.write(engine)

        self.write(engine)
        engine.dispose()

    @pytest.mark.parametrize('place', [0, 4096], ids=['header', 'table'])
    def test_raise_operational_error_for_a_damaged_file(self, tmp_path, place):
        path = tmp_path / 'db'
        options = engines.engine_options({'SQLALCHEMY_DATABASE_URI': f'sqlite:///{path}'})
        with closing(sqlite3.connect(path)) as connection:
            connection.execute('CREATE TABLE things (id INTEGER)')
        with path.open('r+b') as file:
            file.seek(place)
            file.write(b'?' * 4096)
        engine = create_engine(f'sqlite:///{path}', **options)
        engines.configure_engine(engine)

        with pytest.raises(OperationalError) as error, engine.connect() as connection:
            connection.execute(text('SELECT * FROM things'))
        engine.dispose()

        assert isinstance(error.value.__cause__, sqlite3.DatabaseError)

    def test_are_kept_after_an_error_of_the_statement(self, engine):
        with engine.connect() as connection:
            with pytest.raises(OperationalError):
                connection.execute(text('SELECT * FROM nothing'))

            assert not connection.invalidated

    def test_are_kept_for_a_database_in_memory(self):
        engine = create_engine('sqlite://', **engines.engine_options(SQLITE))
        engines.configure_engine(engine)
        with engine.connect() as connection:
            connection.execute(text('CREATE TABLE things (id INTEGER)'))
            connection.execute(text('PRAGMA query_only=ON'))

            with pytest.raises(OperationalError):
                connection.execute(text('INSERT INTO things VALUES (1)'))

            assert not connection.invalidated
        engine.dispose()
