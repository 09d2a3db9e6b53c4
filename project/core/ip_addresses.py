"""IP addresses: normal form, and the network by which a client is counted."""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

# `203.0.113.7:41234`, `[2001:db8::1]` and `[2001:db8::1]:443`. An IPv6 address without brackets has
# no port: it would be ambiguous.
WITH_PORT_PATTERN = re.compile(r'(?:\[([^\]]*)\]|([^:\[\]]*))(?::[0-9]{1,5})?')


def normalize_ip(text: str) -> str:
    """Return the address of a machine in its one form, or nothing for what is none.

    An IPv4 address within an IPv6 one is that IPv4 address; a zone (`%eth0`) is left out.
    """
    address = _ip(text)
    return '' if address is None else str(address)


def normalize_forwarded_ip(text: str) -> str:
    """Return the normal form of an IP address as proxies write it, or '' if it is not one.

    Some proxies add the client's port, brackets or blanks (Azure always adds the port).
    """
    text = text.strip(' \t')
    match = WITH_PORT_PATTERN.fullmatch(text)
    return normalize_ip((match[1] or match[2] or '') if match else text)


def network_of(address: str, *, v4_prefix: int = 32) -> str:
    """Return the network by which the caller at an address is counted, or `unknown` for no address.

    One household has a whole /64 of IPv6, so that counting its addresses would count nothing.
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
    # Mapped is what a socket for both calls an IPv4 caller: all of them would be in one /64. A zone
    # may be any text of any length.
    return address.ipv4_mapped or IPv6Address(int(address))
