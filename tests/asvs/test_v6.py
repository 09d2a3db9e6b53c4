"""ASVS 5.0, V6 Authentication: tests of the applicable requirements, over HTTP.

docs/asvs.md lists all requirements.
"""

import random
import re
import secrets
from datetime import timedelta
from pathlib import Path

import pyotp
import pytest
from sqlalchemy import func, select
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from project.auth.errors import PasswordTooWeak
from project.auth.models import Credential, RecoveryCode, Totp
from project.auth.service import create_account
from project.auth.service.credentials.pins import PIN_LIFETIME, issue_pin, new_code
from project.auth.service.credentials.second_factors import _new_codes, start_totp_enrolment
from project.core.clock import now
from project.core.database.session import Base, atomic, db
from project.core.registration import feature_of
from project.core.security.tokens import new_token
from project.core.throttling import MAX_ATTEMPTS, attempt_counters
from project.users.models import User
from tests.auth.factories import PASSWORD
from tests.auth.pins import other_than
from tests.kit.responses import data, fails_with, reasons
from tests.users.factories import UserFactory, principal_of

from .conftest import API, SESSIONS, Person

NEW = 'Difference engine, 1822'
DOCS = Path(__file__).parents[2] / 'docs'
SECURITY = (DOCS / 'security.md').read_text(encoding='utf-8')
STEP = timedelta(seconds=30)


def register(client, name='ada', password=PASSWORD, email=None):
    """Send the request to register; the client is not logged in."""
    body = {'username': name, 'email': email or f'{name}@example.com', 'password': password}
    return client.post(f'{API}/auth/accounts', json=body)


def password_reasons(client, password, name='ada'):
    """Return the reasons why a registration rejects a password, or None."""
    response = register(client, name, password)
    return None if response.status_code == 202 else reasons(response).get('password')


def enrol(person, travel):
    """Enable the second factor of a user; return the TOTP secret and recovery codes."""
    secret = data(person.call('POST', '/auth/totp'))['secret']
    answer = person.call('PUT', '/auth/totp', {'otp': pyotp.TOTP(secret).at(now())})
    travel(STEP * 2)
    return secret, data(answer)['recovery_codes']


def otp_of(secret, steps=0):
    """Return the code that an authenticator app shows, `steps` × 30 seconds from now."""
    return pyotp.TOTP(secret).at(now() + steps * STEP)


class TestDocumentation:
    def test_v6_1_1_lists_each_attempt_counter_and_the_recovery_of_the_owner(self):
        """tests/integration/test_lockouts.py tests the lockouts."""
        for counter in attempt_counters():
            page = (DOCS / 'features' / f'{feature_of(counter.owner)}.md').read_text('utf-8')
            assert f'| `{counter.name}` | {counter.scope} | {counter.limit} in ' in page
            assert f'| {counter.recovery} |' in page

    def test_v6_1_2_documents_the_setting_of_context_words(self, app):
        assert '`AUTH_CONTEXT_WORDS`' in SECURITY
        assert 'flask' in app.config['AUTH_CONTEXT_WORDS']

    def test_v6_1_3_lists_the_strength_of_each_credential(self):
        page = (Path(__file__).parents[2] / 'docs' / 'asvs.md').read_text(encoding='utf-8')
        ways = page.partition('## Ways in')[2].partition('\n## ')[0]

        for way in ('password', 'refresh token', 'API key', 'recovery code', 'invitation', 'reset'):
            assert f'| {way}' in ways


class TestPasswords:
    def test_v6_2_1_need_at_least_eight_characters(self, anonymous):
        assert password_reasons(anonymous, 'zqk93v7')
        assert password_reasons(anonymous, 'zqk93v7x') is None

    def test_v6_2_2_can_be_changed(self, ada):
        body = {'current_password': PASSWORD, 'new_password': NEW}
        assert ada.call('PUT', '/auth/password', body).status_code == 200

        assert ada.log_in().status_code == 401
        ada.password = NEW
        assert ada.log_in().status_code == 201

    def test_v6_2_3_can_be_changed_only_with_the_old_one_and_limited_attempts(self, ada):
        missing = ada.call('PUT', '/auth/password', {'new_password': NEW})
        body = {'current_password': 'guessed wrongly', 'new_password': NEW}
        answers = [
            ada.call('PUT', '/auth/password', body).status_code for _ in range(MAX_ATTEMPTS + 1)
        ]

        assert missing.status_code == 422
        assert answers == [422] * MAX_ATTEMPTS + [429]

    def test_v6_2_4_are_rejected_if_common(self, anonymous):
        common = [word for word in FREQUENCY_LISTS['passwords'] if len(word) >= 8]
        assert len(FREQUENCY_LISTS['passwords']) > 3000

        for word in secrets.SystemRandom().sample(common, 20):
            assert password_reasons(anonymous, word), word

    def test_v6_2_4_are_checked_by_each_route_that_sets_one(self, ada, admin, anonymous, mailed):
        common = 'Summer2023'
        admin.call('POST', '/auth/invitations', {'email': 'eve@example.com'})
        anonymous.post(f'{API}/auth/password-resets', json={'email': 'ada@example.com'})
        reset = {'email': 'ada@example.com', 'pin': mailed('ada@example.com')}
        invited = {'email': 'eve@example.com', 'code': mailed('eve@example.com')}
        change = {'current_password': PASSWORD, 'new_password': common}
        answers = [
            ada.call('PUT', '/auth/password', change),
            anonymous.put(f'{API}/auth/password-resets', json={**reset, 'new_password': common}),
            anonymous.put(
                f'{API}/auth/invitations', json={**invited, 'password': common, 'username': 'eve'}
            ),
        ]

        for answer in answers:
            assert set(reasons(answer)) <= {'password', 'new_password'}
        assert password_reasons(anonymous, common)
        with pytest.raises(PasswordTooWeak):
            create_account(username='bob', email='bob@example.com', password=common)

    @pytest.mark.parametrize(
        'password',
        ['kvqzmwpt', 'KVQZMWPT', ' ' * 7 + '☃' + ' ' * 8, '40718263951', 'ÀÉÎÕÜÇØÅ'],
    )
    def test_v6_2_5_may_be_of_any_composition(self, anonymous, password):
        assert password_reasons(anonymous, password) is None

    def test_v6_2_8_are_verified_exactly_as_typed(self, make_person):
        long = 'x' * 72 + 'Abcdefg '
        eve = make_person('eve', long)
        assert eve.log_in().status_code == 201

        for other in (f'{long[:73]}X{long[74:]}', long.swapcase(), long.strip(), long[:72]):
            eve.password = other
            assert eve.log_in().status_code == 401, other

    def test_v6_2_9_may_have_128_characters_and_longer_ones_are_not_hashed(
        self, make_person, anonymous, monkeypatch
    ):
        for number, length in enumerate((64, 128)):
            person = make_person(f'long{number}', '☃' * length)
            assert person.log_in().status_code == 201

        monkeypatch.setattr('project.core.security.password_hashing._hasher', pytest.fail)
        assert password_reasons(anonymous, 'x' * 129)
        assert password_reasons(anonymous, 'x' * 1_000_000)

    def test_v6_2_10_do_not_expire(self, make_person, travel):
        person = make_person('ada')
        travel(days=400)

        assert person.log_in().status_code == 201

    @pytest.mark.parametrize('password', ['flaskflask', 'lovelace12', 'lovelace@example.com'])
    def test_v6_2_11_are_rejected_if_made_of_context_words(self, anonymous, password):
        assert password_reasons(anonymous, password, 'lovelace')

    def test_v6_2_12_are_rejected_if_leaked_without_a_network_request(self, anonymous, monkeypatch):
        monkeypatch.setattr('socket.socket.connect', pytest.fail)

        for leaked in ('password1', 'iloveyou1', 'trustno1', 'sunshine1'):
            assert password_reasons(anonymous, leaked), leaked


class TestGeneral:
    def test_v6_3_1_verifies_no_more_passwords_than_documented(self, make_person, monkeypatch):
        """tests/reliability/test_guessing.py sends 1,000 attempts at once to two web workers."""
        eve, seen = make_person('eve'), []
        known = data(eve.log_in())['device']
        real = __import__(
            'project.auth.service.login', fromlist=['verify_password']
        ).verify_password
        monkeypatch.setattr(
            'project.auth.service.login.verify_password',
            lambda *a, **k: seen.append(a) or real(*a, **k),
        )

        for number in range(40):
            login = ('eve', 'EVE', 'eve@example.com', 'EVE@Example.com')[number % 4]
            body = {'user_or_email': login, 'password': f'guess {number}'}
            headers = {'X-Forwarded-For': f'192.0.2.{number}', 'X-Real-IP': f'198.51.100.{number}'}
            eve.client.post(SESSIONS, json=body, headers=headers)

        # Username and email address have separate counters. A shared one would reveal that both
        # belong to one account.
        assert len(seen) == 2 * MAX_ATTEMPTS
        # The right password is not verified either, except from a known device.
        assert eve.log_in().status_code == 429
        assert eve.log_in(device=known).status_code == 201

    def test_v6_3_2_has_no_default_accounts(self, anonymous):
        assert db.session.scalar(select(func.count()).select_from(User)) == 0
        for name in ('admin', 'root', 'test'):
            for password in ('admin', 'password', 'changeme'):
                assert Person(anonymous.application, name, password).log_in().status_code == 401

    def test_v6_3_3_requires_the_second_factor_if_enabled(self, ada, travel):
        secret, _ = enrol(ada, travel)

        alone = ada.log_in()
        fails_with(alone, 'otp', status=401)
        assert ada.log_in(otp=otp_of(secret)).status_code == 201

    def test_v6_3_4_requires_the_second_factor_on_all_code_paths(
        self, ada, travel, mailed, anonymous
    ):
        enrol(ada, travel)

        # A reauthentication requires the second factor.
        again = ada.call('POST', '/auth/sessions/current/reauthentication', {'password': PASSWORD})
        fails_with(again, 'otp', status=401)
        # A password reset does not create a session; the login after it requires the second factor.
        anonymous.post(f'{API}/auth/password-resets', json={'email': 'ada@example.com'})
        body = {'email': 'ada@example.com', 'pin': mailed('ada@example.com'), 'new_password': NEW}
        reset = anonymous.put(f'{API}/auth/password-resets', json=body)
        assert (reset.status_code, set(data(reset))) == (200, {'device'})
        ada.password = NEW
        fails_with(ada.log_in(), 'otp', status=401)
        # With a wrong password, the response is the same for a right and a wrong code.
        ada.password = 'wrong password'
        fails_with(ada.log_in(otp='000000'), 'credentials', status=401)

    def test_v6_3_5_sends_a_mail_about_a_login_from_a_new_device(self, ada, mailbox):
        ada.client.environ_base['REMOTE_ADDR'] = '203.0.113.9'
        ada.client.environ_base['HTTP_USER_AGENT'] = 'another browser'
        ada.log_in()

        assert [mail['Subject'] for mail in mailbox()] == ['A new device has logged in']

    def test_v6_3_5_sends_a_mail_about_a_wrong_factor_after_the_right_password(
        self, ada, mailbox, travel
    ):
        enrol(ada, travel)
        mailbox()

        assert ada.log_in(otp='000000').status_code == 401

        assert mailbox.latest()['Subject'] == 'A wrong second factor at a login'

    def test_v6_3_6_rejects_mailed_codes_as_a_login(self, ada, mailed, anonymous):
        anonymous.post(f'{API}/auth/password-resets', json={'email': 'ada@example.com'})
        pin = mailed('ada@example.com')

        assert ada.log_in(password=pin).status_code == 401
        body = {'email': 'ada@example.com', 'pin': pin, 'new_password': NEW}
        assert set(data(anonymous.put(f'{API}/auth/password-resets', json=body))) == {'device'}

    def test_v6_3_7_notifies_the_old_email_address_of_each_change(
        self, ada, travel, mailbox, mailed
    ):
        body = {'current_password': PASSWORD, 'new_password': NEW}
        ada.call('PUT', '/auth/password', body)
        enrol(ada, travel)
        ada.call('POST', '/auth/email-changes', {'new_email': 'new@example.com'})
        ada.call('PUT', '/auth/email-changes', {'pin': mailed('new@example.com')})

        told = [mail['Subject'] for mail in mailbox() if mail['To'] == 'ada@example.com']
        assert sorted(told) == [
            'A second factor was turned on', 'The address of your account was changed',
            'Your password was changed',
        ]  # fmt: skip

    def test_v6_3_8_returns_the_same_for_known_and_unknown_users(self, make_person, anonymous):
        """tests/reliability/test_timing.py also compares the response times."""
        make_person('known')
        asked = {
            ('POST', '/auth/sessions'): lambda n: {'user_or_email': n, 'password': 'wrong word'},
            ('POST', '/auth/accounts'): lambda n: {
                'username': f'{n}2', 'email': f'{n}@example.com', 'password': PASSWORD,
            },
            ('POST', '/auth/verifications'): lambda n: {'email': f'{n}@example.com'},
            ('POST', '/auth/password-resets'): lambda n: {'email': f'{n}@example.com'},
            ('PUT', '/auth/verifications'): lambda n: {
                'email': f'{n}@example.com', 'pin': '000000', 'password': PASSWORD,
            },
            ('PUT', '/auth/password-resets'): lambda n: {
                'email': f'{n}@example.com', 'pin': '000000', 'new_password': NEW,
            },
        }  # fmt: skip
        for (method, path), body in asked.items():
            answers = []
            for name in ('known', 'nobody'):
                response = anonymous.open(API + path, method=method, json=body(name))
                headers = {
                    k: v for k, v in response.headers if k not in ('X-Request-ID', 'RateLimit')
                }
                answers.append((response.status_code, response.data, headers))
            assert answers[0] == answers[1], path


class TestLifecycle:
    def test_v6_4_1_sends_verification_codes_that_are_random_and_short_lived(
        self, anonymous, mailed, travel
    ):
        codes = set()
        for number in range(20):
            register(anonymous, f'ada{number}')
            codes.add(mailed(f'ada{number}@example.com'))
        assert len(codes) >= 19

        # The code alone is not enough: a verification requires the registered password as well.
        body = {'email': 'ada0@example.com', 'pin': mailed('ada0@example.com')}
        wrong = anonymous.put(f'{API}/auth/verifications', json={**body, 'password': NEW})
        fails_with(wrong, 'pin')
        travel(minutes=10, seconds=1)
        late = anonymous.put(f'{API}/auth/verifications', json={**body, 'password': PASSWORD})
        fails_with(late, 'pin')

    def test_v6_4_1_sends_single_use_invitations_of_eighty_random_bits(
        self, admin, anonymous, mailed
    ):
        admin.call('POST', '/auth/invitations', {'email': 'eve@example.com'})
        code = mailed('eve@example.com')
        assert len(code.replace('-', '')) * 5 == 80

        body = {'email': 'eve@example.com', 'code': code, 'password': PASSWORD, 'username': 'eve'}
        assert anonymous.put(f'{API}/auth/invitations', json=body).status_code == 201
        again = anonymous.put(f'{API}/auth/invitations', json={**body, 'username': 'eve2'})
        assert again.status_code == 422

    def test_v6_4_1_lets_invitations_expire_after_a_week(self, admin, anonymous, mailed, travel):
        admin.call('POST', '/auth/invitations', {'email': 'eve@example.com'})
        body = {
            'email': 'eve@example.com', 'code': mailed('eve@example.com'), 'password': PASSWORD,
            'username': 'eve',
        }  # fmt: skip
        travel(days=7, seconds=1)

        assert anonymous.put(f'{API}/auth/invitations', json=body).status_code == 422

    def test_v6_4_1_lets_generated_passwords_expire_after_a_day(self, app, cli, travel):
        printed = cli.invoke(
            args=['create-user', 'bob', '--email', 'bob@example.com', '--generate']
        ).output
        bob = Person(app, 'bob', printed.split('Password: ')[1].strip())
        assert bob.log_in().status_code == 201
        travel(hours=24, seconds=1)

        assert bob.log_in().status_code == 401

    def test_v6_4_2_has_no_secret_questions_or_hints(self, app):
        for table in Base.metadata.tables.values():
            for column in table.columns:
                assert (
                    not re.search('hint$|question|answer', column.name)
                    or table.name == 'auth_api_keys'
                )

    def test_v6_4_3_keeps_the_second_factor_after_a_password_reset(
        self, ada, travel, anonymous, mailed
    ):
        secret, _ = enrol(ada, travel)
        anonymous.post(f'{API}/auth/password-resets', json={'email': 'ada@example.com'})
        body = {'email': 'ada@example.com', 'pin': mailed('ada@example.com'), 'new_password': NEW}
        anonymous.put(f'{API}/auth/password-resets', json=body)

        assert not ada.is_logged_in()
        assert ada.refresh().status_code == 401
        ada.password = NEW
        assert ada.log_in().status_code == 401
        assert ada.log_in(otp=otp_of(secret)).status_code == 201

    def test_v6_4_4_accepts_a_recovery_code_instead_of_the_second_factor(self, ada, travel):
        _, codes = enrol(ada, travel)

        assert ada.log_in(recovery_code='AAAA-AAAA-AAAA-AAAA-AAAA-AAAA').status_code == 401
        assert ada.log_in(recovery_code=codes[0]).status_code == 201
        kinds = [event['kind'] for event in data(ada.call('GET', '/auth/events'))['items']]
        assert 'recovery_code_used' in kinds

    def test_v6_4_5_sends_a_reminder_before_a_key_expires(self, ada, travel, mailbox):
        ends = (now() + timedelta(days=30)).isoformat()
        key = {'name': 'ci', 'scopes': ['profile:read'], 'expires_at': ends}
        ada.call('POST', '/auth/keys', key)
        mailbox()

        travel(days=23, seconds=1)

        assert mailbox.latest()['Subject'] == 'An API key will expire soon'

    def test_v6_4_6_does_not_let_an_admin_set_a_password(self, admin, make_person, cli):
        eve = make_person('eve')
        user_id = User.find_by_username('eve').id

        for field in ('password', 'new_password', 'password_hash'):
            refused = admin.call('PATCH', f'/users/{user_id}', {field: NEW})
            fails_with(refused, field)
        created = admin.call('POST', '/users', {
            'username': 'bob', 'email': 'bob@example.com', 'password': NEW,
        })  # fmt: skip
        fails_with(created, 'password')
        # An operator can start a reset; only the user can complete it.
        assert cli.invoke(args=['auth', 'reset-password', 'eve']).exit_code == 0
        assert '--password' not in cli.invoke(args=['auth', 'reset-password', '--help']).output
        assert eve.log_in().status_code == 201


class TestFactors:
    def test_v6_5_1_accept_each_code_once(self, ada, travel):
        """tests/reliability/test_races.py sends the same code eight times at once."""
        secret, codes = enrol(ada, travel)
        otp = otp_of(secret)

        assert [ada.log_in(otp=otp).status_code for _ in range(2)] == [201, 401]
        again = [ada.log_in(recovery_code=codes[0]).status_code for _ in range(2)]
        assert again == [201, 401]

    def test_v6_5_2_are_stored_as_hashes_or_encrypted(self, ada, travel):
        secret, codes = enrol(ada, travel)
        # A recovery code has 24 letters of base 32. Below 112 bits the hash would have to be slow.
        assert all(len(code.replace('-', '')) * 5 >= 112 for code in codes)

        stored = [*db.session.scalars(select(RecoveryCode.code_hash))]
        stored += [
            encrypted.decode() for encrypted in db.session.scalars(select(Totp.encrypted_secret))
        ]
        assert all(len(each) >= 64 for each in stored)
        for word in (secret, *codes, *(code.replace('-', '') for code in codes)):
            assert not any(word.lower() in each.lower() for each in stored)

    def test_v6_5_3_have_evenly_distributed_characters(self):
        tokens = [new_token('pst') for _ in range(10_000)]
        assert len(set(tokens)) == len(tokens)

        # The characters are evenly distributed, within five standard deviations. The last random
        # character is left out: it has only four of the 256 bits.
        body = ''.join(token[4:46] for token in tokens)
        expected = len(body) / 64
        for letter in set(body):
            assert abs(body.count(letter) - expected) < 5 * expected**0.5
        assert len(set(body)) == 64

    @pytest.mark.parametrize(
        'draw',
        [
            lambda user: new_token('pst'),
            lambda user: new_code(),
            lambda user: [issue_pin('verification', user.email).text for _ in range(3)],
            lambda user: _new_codes(user.id),
            lambda user: start_totp_enrolment(principal_of(user)).secret,
        ],
        ids=['token', 'code', 'PIN', 'recovery codes', 'TOTP secret'],
    )
    def test_v6_5_3_do_not_come_from_a_predictable_generator(self, draw):
        user = UserFactory()
        with atomic():
            random.seed(1)
            first = draw(user)
            random.seed(1)
            assert draw(user) != first

    def test_v6_5_4_have_pins_of_six_digits(self, anonymous, mailed):
        register(anonymous)

        assert re.fullmatch('[0-9]{6}', mailed('ada@example.com'))

    def test_v6_5_5_expire_after_ten_minutes_or_one_totp_step(self, ada, travel, anonymous, mailed):
        secret, _ = enrol(ada, travel)
        travel(STEP * 4)
        assert timedelta(minutes=10) >= PIN_LIFETIME

        assert ada.log_in(otp=otp_of(secret, -2)).status_code == 401
        assert ada.log_in(otp=otp_of(secret, 2)).status_code == 401
        assert ada.log_in(otp=otp_of(secret, -1)).status_code == 201
        register(anonymous, 'bob')
        body = {'email': 'bob@example.com', 'pin': mailed('bob@example.com'), 'password': PASSWORD}
        travel(PIN_LIFETIME + timedelta(seconds=1))
        assert anonymous.put(f'{API}/auth/verifications', json=body).status_code == 422

    def test_v6_5_6_can_be_revoked(self, ada, travel):
        secret, codes = enrol(ada, travel)
        ada.log_in(otp=otp_of(secret))

        assert ada.call('DELETE', '/auth/totp').status_code == 200
        assert ada.log_in().status_code == 201
        assert db.session.scalar(select(func.count()).select_from(RecoveryCode)) == 0
        assert (
            ada.log_in(recovery_code=codes[0]).status_code == 201
        )  # ignored without a second factor

    def test_v6_5_8_use_the_clock_of_the_server(self, ada, travel):
        secret, _ = enrol(ada, travel)
        body = {'user_or_email': 'ada', 'password': PASSWORD, 'otp': otp_of(secret, 100)}

        moment = (now() + 100 * STEP).strftime('%a, %d %b %Y %H:%M:%S GMT')
        response = ada.client.post(SESSIONS, json=body, headers={'Date': moment})

        assert response.status_code == 401


class TestOutOfBand:
    def test_v6_6_2_accepts_a_code_for_its_request_only(self, ada, anonymous, mailbox):
        anonymous.post(f'{API}/auth/password-resets', json={'email': 'ada@example.com'})
        first = mailbox.latest().code
        anonymous.post(f'{API}/auth/password-resets', json={'email': 'ada@example.com'})
        newest = mailbox.latest().code
        ada.call('POST', '/auth/email-changes', {'new_email': 'bob@example.com'})
        own = mailbox.latest().code
        register(anonymous, 'bob')
        other = mailbox.latest().code

        # A reset rejects the codes of an earlier reset, of another email address and of an email
        # change.
        body = {'email': 'ada@example.com', 'new_password': NEW}
        for pin in {first, own} - {newest}:
            response = anonymous.put(f'{API}/auth/password-resets', json={**body, 'pin': pin})
            fails_with(response, 'pin')
        for pin in {newest, other} - {own}:
            change = ada.call('PUT', '/auth/email-changes', {'pin': pin})
            fails_with(change, 'pin')

    def test_v6_6_3_rejects_a_code_after_five_wrong_attempts(self, anonymous, mailed):
        register(anonymous)
        pin = mailed('ada@example.com')
        body = {'email': 'ada@example.com', 'password': PASSWORD}
        for _ in range(5):
            anonymous.put(f'{API}/auth/verifications', json={**body, 'pin': other_than(pin)})

        response = anonymous.put(f'{API}/auth/verifications', json={**body, 'pin': pin})

        fails_with(response, 'pin')


def test_v6_6_codes_are_not_stored_in_plain_text(anonymous, mailed):
    register(anonymous)
    pin = mailed('ada@example.com')

    for table in Base.metadata.sorted_tables:
        for column in table.columns:
            for value in map(str, db.session.scalars(select(column))):
                assert pin not in re.findall(r'\b\d{6}\b', value), column


def test_v6_2_passwords_are_stored_as_argon2id_hashes(make_person):
    make_person('ada')

    assert db.session.scalar(select(Credential.password_hash)).startswith('$argon2id$')
