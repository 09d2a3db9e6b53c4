"""Normal forms of IP addresses."""

import pytest

from project.core.ip_addresses import network_of, normalize_forwarded_ip, normalize_ip


class TestNormalizeIp:
    @pytest.mark.parametrize(
        ('text', 'normalized'),
        [
            ('192.0.2.1', '192.0.2.1'),
            ('2001:DB8:0::1', '2001:db8::1'),
            ('::ffff:192.0.2.1', '192.0.2.1'),
            ('fe80::1%eth0', 'fe80::1'),
            ('fe80::1%' + 'x' * 1000, 'fe80::1'),
        ],
    )
    def test_returns_the_normal_form(self, text, normalized):
        assert normalize_ip(text) == normalized

    @pytest.mark.parametrize(
        'text',
        ['', 'unknown', '192.0.2', '192.0.2.1/24', '192.0.2.1:80', '[::1]', ' ::1', 'x' * 1000],
    )
    def test_returns_an_empty_string_for_other_text(self, text):
        assert normalize_ip(text) == ''


class TestNormalizeForwardedIp:
    @pytest.mark.parametrize(
        ('text', 'normalized'),
        [
            ('203.0.113.7', '203.0.113.7'),
            ('203.0.113.7:41234', '203.0.113.7'),
            (' 203.0.113.7:41234\t', '203.0.113.7'),
            ('2001:DB8::1', '2001:db8::1'),
            ('[2001:db8::1]', '2001:db8::1'),
            ('[2001:db8::1]:443', '2001:db8::1'),
            ('[::ffff:203.0.113.7]:443', '203.0.113.7'),
            ('::ffff:203.0.113.7', '203.0.113.7'),
            ('[fe80::1%eth0]:443', 'fe80::1'),
            # `443` is the last group of this IPv6 address, not a port.
            ('2001:db8::1:443', '2001:db8::1:443'),
        ],
    )
    def test_returns_the_ip_address_without_port_brackets_and_blanks(self, text, normalized):
        assert normalize_forwarded_ip(text) == normalized

    @pytest.mark.parametrize(
        'text',
        [
            '', ' ', ':80', '[]', '[]:80', '[::1', '::1]', '[[::1]]', 'unknown', '_hidden:80',
            '203.0.113.7:', '203.0.113.7:x', '203.0.113.7:123456', '203.0.113.7:80:80',
            '[::1]x', '[::1]:', '203.0.113.7\n', '203.0.113.7 :80', '２０３.0.113.7',
        ],
    )  # fmt: skip
    def test_returns_an_empty_string_for_other_text(self, text):
        assert normalize_forwarded_ip(text) == ''


class TestNetworkOf:
    @pytest.mark.parametrize(
        ('address', 'network'),
        [
            ('192.0.2.1', '192.0.2.1/32'),
            ('2001:db8:1:2:3::4', '2001:db8:1:2::/64'),
            ('::ffff:192.0.2.1', '192.0.2.1/32'),
        ],
    )
    def test_returns_the_network_of_one_client(self, address, network):
        assert network_of(address) == network

    @pytest.mark.parametrize(
        ('address', 'network'),
        [('192.0.2.1', '192.0.2.0/24'), ('2001:db8:1:2:3::4', '2001:db8:1:2::/64')],
    )
    def test_accepts_another_prefix_length_for_ipv4(self, address, network):
        assert network_of(address, v4_prefix=24) == network

    @pytest.mark.parametrize('address', ['', 'unknown', '192.0.2.1/24'])
    def test_returns_unknown_for_other_text(self, address):
        assert network_of(address) == 'unknown'
