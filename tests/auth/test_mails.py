"""Mail templates of auth: subject, text and HTML of rendered mails."""

import re

import pytest

from project.core.clock import now
from project.core.mail.rendering import new_message_identity, render_mail

from .pins import pin_in, plain

HOSTILE = '<script>alert("x")</script> & {{ 7 * 7 }}'
HEADERS = {
    'From', 'To', 'Subject', 'Date', 'Message-ID', 'Auto-Submitted', 'MIME-Version', 'Content-Type',
}  # fmt: skip

MAILS = {
    'verification': {
        'username': 'ada', 'name': 'Ada', 'pin': '012345', 'lifetime': 600,
    },
    'already_registered': {'username': 'ada', 'name': 'Ada'},
    'password_changed': {
        'username': 'ada', 'name': 'Ada', 'address': '192.0.2.1',
        'ended': [{'user_agent': 'browser/1', 'address': '192.0.2.2'}],
    },
}  # fmt: skip


def render(template, **changes):
    """Return a mail to Ada."""
    values = {**MAILS[template], **changes}
    return render_mail(template, 'ada@example.com', values, new_message_identity(now()))


def html(mail):
    """Return the HTML of a mail."""
    return mail.get_body(('html',)).get_content()


class TestEveryMail:
    @pytest.mark.parametrize(
        ('template', 'subject'),
        [
            ('verification', 'Your code to confirm this address'),
            ('already_registered', 'You are registered already'),
            ('password_changed', 'Your password was changed'),
        ],
    )
    def test_says_what_it_is_about(self, template, subject):
        mail = render(template)

        assert mail['Subject'] == subject
        assert 'Hello Ada,' in plain(mail)
        assert 'Hello Ada,' in html(mail)

    @pytest.mark.parametrize('template', MAILS)
    def test_says_the_same_as_text_and_as_html(self, template):
        mail = render(template)
        shown = re.sub('<style.*?</style>|<[^>]+>', ' ', html(mail))

        for word in re.findall(r'[A-Za-z0-9.]{3,}', plain(mail)):
            assert word.lower() in shown.lower()

    @pytest.mark.parametrize('template', MAILS)
    def test_greets_by_username_who_gave_no_name(self, template):
        assert 'Hello ada,' in plain(render(template, name=''))

    @pytest.mark.parametrize('template', MAILS)
    def test_runs_nothing_that_a_name_says(self, template):
        mail = render(template, name=HOSTILE)

        assert '<script' not in html(mail)
        assert '&lt;script&gt;alert(' in html(mail)
        assert '&amp; {{ 7 * 7 }}' in html(mail)
        assert HOSTILE in plain(mail)

    @pytest.mark.parametrize('template', MAILS)
    def test_has_no_header_that_a_name_could_add(self, template):
        mail = render(template, name='Ada\r\nBcc: eve@example.com\r\n\r\nHello')

        assert set(mail.keys()) == HEADERS
        assert mail['To'] == 'ada@example.com'

    @pytest.mark.parametrize('template', MAILS)
    def test_links_only_to_us(self, app, template):
        mail = render(template)

        links = re.findall('https?://[^\\s<"]+', plain(mail) + html(mail))
        assert set(links) <= {app.config['PUBLIC_URL']}


class TestVerification:
    def test_has_the_pin_and_nothing_like_it_and_says_how_long_it_works(self):
        mail = render('verification')

        assert pin_in(mail) == '012345'
        assert '012345' in html(mail)
        assert '012345' not in mail['Subject']
        assert '10 minutes' in plain(mail)


class TestAlreadyRegistered:
    def test_names_the_account_and_has_no_pin(self):
        mail = render('already_registered', username='lovelace')

        assert 'lovelace already' in plain(mail)
        assert re.findall('[0-9]{6}', plain(mail)) == []


class TestPasswordChanged:
    def test_says_what_ended(self):
        mail = render('password_changed')

        for body in (plain(mail), html(mail)):
            assert 'ended: browser/1 at 192.0.2.2' in body
            assert 'No other session was open' not in body

    def test_says_that_nothing_did(self):
        mail = render('password_changed', ended=[])

        for body in (plain(mail), html(mail)):
            assert 'No other session was open.' in body
            assert 'ended:' not in body

    @pytest.mark.parametrize(('address', 'says'), [('192.0.2.1', True), ('', False)])
    def test_says_from_where_if_it_is_known(self, address, says):
        mail = render('password_changed', address=address)

        assert ('was changed from' in plain(mail)) is says
        assert ('was changed from' in ' '.join(html(mail).replace('</b>', '').split())) is (says)

    def test_runs_nothing_that_a_browser_says(self):
        mail = render('password_changed', ended=[{'user_agent': HOSTILE, 'address': HOSTILE}])

        assert '<script' not in html(mail)
        assert html(mail).count('&lt;script&gt;') == 2
