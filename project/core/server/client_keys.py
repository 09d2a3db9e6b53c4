"""Keys that identify a client, to count its requests before its user is known."""

import re
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from project.core.ip_addresses import network_of, normalize_forwarded_ip

from .request_state import HEAD_END

FORWARDED_FOR_PATTERN = re.compile(rb'\r\nx-forwarded-for:[ \t]*([^\r]*)', re.IGNORECASE)
AUTHORIZATION_PATTERN = re.compile(rb'\r\nauthorization:[ \t]*([^\r]*)', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class AddressKey:
    """The IP network of a client, as a key under which its requests are counted."""

    network: str


def address_key(received: bytes, peer: Any, trusted_proxies: int) -> AddressKey:
    """Return the key of the client's IP network; an IPv6 /64 counts as one client.

    :param received: the bytes of the request that have arrived, with the whole head.
    :param peer: the address of the other end of the socket, as `accept` returns it.
    :param trusted_proxies: the number of proxies (`TRUSTED_PROXIES`). Each appends one IP address
        to `X-Forwarded-For`.
    """
    address = peer[0] if isinstance(peer, tuple) else ''
    if trusted_proxies:
        end = received.find(HEAD_END)
        forwarded = b','.join(FORWARDED_FOR_PATTERN.findall(received, 0, end)).split(b',')
        if len(forwarded) >= trusted_proxies:
            address = forwarded[-trusted_proxies].decode('latin-1')
    return AddressKey(network_of(normalize_forwarded_ip(address)))


def credential_key(received: bytes) -> Hashable | None:
    """Return the key of the request's credential, or None if it has none.

    The key is a hash, so that the credential itself does not stay in memory.
    """
    found = AUTHORIZATION_PATTERN.search(received, 0, received.find(HEAD_END))
    return hash(found[1].strip()) if found else None
