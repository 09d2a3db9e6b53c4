"""Addresses, of mail and of machines: what is one, and the form in which it is used."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from email_validator import EmailNotValidError, validate_email


def normalize_address(text: str) -> str | None:
    """Return an address in the form it is written to, or None for what no mail could reach.

    Only its syntax is asked, no name server. Longer than 254 characters is no address (RFC 5321).
    """
    if len(text) > 254:
        return None
    try:
        # The names for tests and documentation (RFC 6761) are addresses like any other here.
        checked = validate_email(
            text, check_deliverability=False, test_environment=True, strict=True
        )
    except EmailNotValidError:
        return None
    return checked.normalized


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
