"""Keys under which requests are counted per client.

A key is derived from the IP address, with or without proxies, or from the credential.
"""

import pytest

from project.core.server.client_keys import address_key, credential_key

from .serving import get

PEER = ('192.0.2.1', 40_000)
TWO_HOPS = get('/', 'X-Forwarded-For: 198.51.100.9', 'x-forwarded-for: 203.0.113.7, 198.51.100.8')


class TestAddressKey:
    @pytest.mark.parametrize(
        ('proxies', 'network'),
        [
            (0, '192.0.2.1/32'),
            (1, '198.51.100.8/32'),
            (2, '203.0.113.7/32'),
            (4, '192.0.2.1/32'),
        ],
    )
    def test_takes_the_hop_that_the_trusted_proxies_added(self, proxies: int, network: str) -> None:
        assert address_key(TWO_HOPS, PEER, proxies).network == network

    def test_is_the_same_for_an_ipv6_network(self) -> None:
        heads = [get('/', f'X-Forwarded-For: 2001:db8::{host}') for host in (1, 2)]

        first, second = (address_key(head, PEER, 1) for head in heads)

        assert first == second
        assert first.network == '2001:db8::/64'

    @pytest.mark.parametrize('peer', ['', b'', ('not an address', 1)])
    def test_is_unknown_for_an_unreadable_address(self, peer: object) -> None:
        assert address_key(get(), peer, 0).network == 'unknown'

    def test_ignores_headers_in_the_body(self) -> None:
        body = b'x\r\nX-Forwarded-For: 203.0.113.7\r\n'

        assert address_key(get() + body, PEER, 1).network == 'unknown'


class TestCredentialKey:
    def test_is_the_same_for_the_same_credential_only(self) -> None:
        ada, ada_again, bob = (
            credential_key(get('/', f'{name}: Bearer {token}'))
            for name, token in [
                ('Authorization', 'ada'),
                ('authorization', 'ada'),
                ('Authorization', 'bob'),
            ]
        )

        assert ada == ada_again
        assert ada != bob

    def test_returns_none_without_a_credential(self) -> None:
        assert credential_key(get()) is None
