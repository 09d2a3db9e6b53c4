"""By which keys the requests of one client are counted, before anything is known of its user."""

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
    """The IP network of a client."""

    network: str


def address_key(held: bytes, peer: Any, trusted_proxies: int) -> AddressKey:
    """Return the key of the client's IP network; an IPv6 /64 counts as one client.

    :param held: the bytes of the request, its whole head included.
    :param peer: the address of the socket, as `accept` returns it.
    :param trusted_proxies: `TRUSTED_PROXIES`: each appends one address to `X-Forwarded-For`.
    """
    address = peer[0] if isinstance(peer, tuple) else ''
    if trusted_proxies:
        end = held.find(HEAD_END)
        forwarded = b','.join(FORWARDED_FOR_PATTERN.findall(held, 0, end)).split(b',')
        if len(forwarded) >= trusted_proxies:
            address = forwarded[-trusted_proxies].decode('latin-1')
    return AddressKey(network_of(normalize_forwarded_ip(address)))


def credential_key(held: bytes) -> Hashable | None:
    """Return the key of the request's credential, or None if it has none.

    The key is a hash: the credential itself does not stay in memory.
    """
    found = AUTHORIZATION_PATTERN.search(held, 0, held.find(HEAD_END))
    return hash(found[1].strip()) if found else None
