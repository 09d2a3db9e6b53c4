"""A mail is a task: a row in the transaction that has something to say."""

import pytest

from project.core.database.session import atomic
from project.core.mail import send_mail
from project.core.mail.sending import deliver_mail
from project.core.tasks import PermanentFailure
from tests.pending_tasks import run_pending_tasks

from ..outbox import rows, travel_forward
from .sample_mails import HELLO, TO, delivered, send

PIN = '012345'


@pytest.fixture
def mails(post_office, tmp_path):
    """Return a function that does what waits, and gives the mails that were delivered."""

    def read():
        run_pending_tasks(post_office)
        return delivered(tmp_path / 'mail')

    return read


class TestSendMail:
    def test_delivers_after_the_commit_and_not_before(self, post_office, mails, tmp_path):
        with atomic():
            send_mail('hello', to=TO, **HELLO)
            assert delivered(tmp_path / 'mail') == []

        [message] = mails()
        assert message['To'] == TO
        assert rows() == []

    def test_delivers_nothing_of_what_was_rolled_back(self, mails):
        @atomic()
        def reject():
            send_mail('hello', to=TO, **HELLO)
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            reject()
        assert mails() == []

    def test_raises_outside_a_transaction(self, post_office):
        with pytest.raises(RuntimeError, match='outside atomic'):
            send_mail('hello', to=TO, **HELLO)

    def test_hides_what_is_secret_until_it_is_delivered(self, mails):
        send(secret={'name': PIN})

        [row] = rows()
        assert PIN not in repr(tuple(row))
        [message] = mails()
        assert message['Subject'] == f'Hello {PIN}, welcome'

    def test_masks_digits_of_other_values_beside_a_secret(self, mails):
        send(name='Type 999999', secret={'pin': PIN})

        [message] = mails()
        assert message['Subject'] == 'Hello Type \N{HORIZONTAL ELLIPSIS}, welcome'

    def test_rejects_a_context_that_is_no_json(self, post_office):
        with pytest.raises(TypeError):
            send(name=object())

    def test_keeps_the_order_in_the_names(self, mails):
        for name in ('first', 'second', 'third'):
            send(name=name)

        subjects = [message['Subject'] for message in mails()]
        assert subjects == [f'Hello {name}, welcome' for name in ('first', 'second', 'third')]


class TestDeliverMail:
    def test_has_one_message_id_in_all_attempts(self, post_office, monkeypatch):
        seen = []

        def lose(message):
            seen.append((message['Message-ID'], message['Date']))
            if len(seen) < 3:
                raise OSError('the connection was lost before its 250')

        monkeypatch.setitem(post_office.extensions, 'mail', lose)
        send()
        task_id = rows()[0].id
        for number in range(3):
            with travel_forward(hours=number):
                run_pending_tasks(post_office)

        assert len(seen) == 3
        assert len(set(seen)) == 1
        assert task_id.hex in seen[0][0]

    def test_takes_the_place_of_what_it_delivered_before(self, post_office, mails, monkeypatch):
        deliver = post_office.extensions['mail']

        def lose(message):
            deliver(message)
            raise OSError('the disk is slow to say so')

        monkeypatch.setitem(post_office.extensions, 'mail', lose)
        send()
        assert len(mails()) == 1
        monkeypatch.setitem(post_office.extensions, 'mail', deliver)

        with travel_forward(hours=1):
            assert len(mails()) == 1
        assert rows() == []

    def test_is_tried_again_whatever_goes_wrong_and_keeps_the_secret(
        self, post_office, monkeypatch
    ):
        def lose(message):
            raise OSError(f'could not send {PIN}')

        monkeypatch.setitem(post_office.extensions, 'mail', lose)
        send(secret={'name': PIN})
        run_pending_tasks(post_office)

        [row] = rows()
        assert (row.state, row.last_error) == ('waiting', 'OSError: could not send ***')

    def test_gives_up_where_the_server_does_for_good(self, post_office, monkeypatch):
        def reject(message):
            raise PermanentFailure('550 nobody lives there')

        monkeypatch.setitem(post_office.extensions, 'mail', reject)
        send()
        run_pending_tasks(post_office)

        [row] = rows()
        assert (row.state, row.attempts, row.last_error) == ('dead', 1, '550 nobody lives there')

    def test_gives_up_what_cannot_be_written_as_a_mail(self, post_office):
        send(to='nobody')
        send(to=f'{TO}, eve@example.com')
        run_pending_tasks(post_office)

        assert {(row.state, row.attempts) for row in rows()} == {('dead', 1)}
        assert all(row.last_error.startswith('no such mail can be written: ') for row in rows())

    def test_runs_when_it_is_simply_called(self, post_office, tmp_path):
        for _ in range(2):
            deliver_mail('hello', TO, HELLO, {})

        assert len({message['Message-ID'] for message in delivered(tmp_path / 'mail')}) == 2
