"""The normal form of host names and IP addresses in `TRUSTED_HOSTS`."""

import re
from ipaddress import ip_address

HOST_NAME_PATTERN = re.compile('[a-z0-9_.-]+', re.ASCII)


def normal_host(text: str) -> str:
    """Return the normal form of a host, which the service compares with that of a request.

    Names have lower case, A-labels (IDNA) and no final dot. IPv6 addresses have no brackets. A name
    may begin with a dot, which stands for all names below it.

    :raises ValueError: if the text is not a host.
    """
    try:
        return ip_address(text.removeprefix('[').removesuffix(']')).compressed
    except ValueError:
        name = text.removeprefix('.').removesuffix('.').lower().encode('idna').decode()
    if not HOST_NAME_PATTERN.fullmatch(name):
        raise ValueError(text)
    return f'.{name}' if text.startswith('.') else name
