"""Values that are signed with the secret key and expire."""

from datetime import timedelta

from project.core.security.key_usage import expiring_values, longest_lifetime


class TestExpiringValues:
    def test_contain_the_codes_in_mails(self):
        lifetimes = {values.name: values.lifetime for values in expiring_values()}

        assert lifetimes['PINs and codes in mails'] == timedelta(days=1)
        assert longest_lifetime() >= timedelta(minutes=10)
