"""`@repeatable`: repetition of transactions that the database has aborted."""

import pytest
from psycopg.errors import DeadlockDetected, QueryCanceled, SerializationFailure
from sqlalchemy.exc import OperationalError

from project.core.database.retries import MAX_TRANSACTION_ATTEMPTS, repeatable
from project.core.database.session import after_commit, atomic


def error(cause):
    return OperationalError('UPDATE …', {}, cause)


class TestRepeatable:
    def function(self, *errors):
        """Return a function that raises the given errors in its first calls, then succeeds.

        The second result is the list of the values that the function has committed.
        """
        left, done = list(errors), []

        @repeatable
        @atomic()
        def act(value):
            after_commit(lambda: done.append(value))
            if left:
                raise left.pop(0)
            return value

        return act, done

    @pytest.mark.parametrize('cause', [DeadlockDetected, SerializationFailure])
    def test_runs_an_aborted_transaction_again(self, cause):
        act, done = self.function(*[error(cause())] * (MAX_TRANSACTION_ATTEMPTS - 1))

        assert act('once') == 'once'
        assert done == ['once']

    def test_gives_up_after_three_attempts(self):
        act, done = self.function(*[error(DeadlockDetected())] * MAX_TRANSACTION_ATTEMPTS)

        with pytest.raises(OperationalError):
            act('never')
        assert done == []

    def test_does_not_retry_other_errors(self):
        act, _ = self.function(error(QueryCanceled()))

        with pytest.raises(OperationalError):
            act('never')
        assert act('later') == 'later'

    def test_retries_only_the_outermost_function(self):
        inner, _ = self.function(error(DeadlockDetected()))
        calls = []

        @repeatable
        @atomic()
        def outer():
            calls.append(1)
            return inner('done')

        assert outer() == 'done'
        assert len(calls) == 2
