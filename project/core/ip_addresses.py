"""IP addresses: normal form, and the network under which requests of a client are counted."""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

# `203.0.113.7:41234`, `[2001:db8::1]` and `[2001:db8::1]:443`. An IPv6 address without brackets has
# no port, because a port after it would be ambiguous.
WITH_PORT_PATTERN = re.compile(r'(?:\[([^\]]*)\]|([^:\[\]]*))(?::[0-9]{1,5})?')


def normalize_ip(text: str) -> str:
    """Return an IP address in its normal form, or '' if the text is not one.

    An IPv4-mapped IPv6 address becomes the IPv4 address. A zone (`%eth0`) is removed.
    """
    address = _ip(text)
    return '' if address is None else str(address)


def normalize_forwarded_ip(text: str) -> str:
    """Return the normal form of an IP address that a proxy has sent, or '' if it is not one.

    Some proxies add the client's port, brackets or blanks (Azure always adds the port).
    """
    text = text.strip(' \t')
    match = WITH_PORT_PATTERN.fullmatch(text)
    return normalize_ip((match[1] or match[2] or '') if match else text)


def network_of(address: str, *, v4_prefix: int = 32) -> str:
    """Return the network under which requests from an IP address are counted.

    A client usually has a whole IPv6 /64 network, so that a count per IPv6 address would not limit
    it.

    :param v4_prefix: the prefix length of IPv4 networks; 32: each IPv4 address counts by itself.
    :returns: `unknown` if the text is not an IP address.
    """
    found = _ip(address)
    if found is None:
        return 'unknown'
    prefix = v4_prefix if found.version == 4 else 64
    return str(ip_network(f'{found}/{prefix}', strict=False))


def _ip(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return address
    # A dual-stack socket reports IPv4 clients as IPv4-mapped addresses, which are all in one /64.
    # For other IPv6 addresses, the conversion by `int` removes the zone, which may be any text of
    # any length.
    return address.ipv4_mapped or IPv6Address(int(address))
