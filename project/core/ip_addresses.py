"""IP addresses: normal form, and the network by which a client is counted."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network


def normalize_ip(text: str) -> str:
    """Return the address of a machine in its one form, or nothing for what is none.

    An IPv4 address within an IPv6 one is that IPv4 address; a zone (`%eth0`) is left out.
    """
    address = _ip(text)
    return '' if address is None else str(address)


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
