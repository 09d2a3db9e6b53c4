"""The host that a request names, which must be one of `TRUSTED_HOSTS`."""

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

from flask import Flask, request

from project.core.app_values import AppValue
from project.core.errors import BadRequest

# The authority of a URL without user information (RFC 3986, section 3.2). The port may be empty.
HOST_PATTERN = re.compile(
    r'(?:(?P<name>[a-z0-9_.-]+)|\[(?P<ipv6>[0-9a-f:.]+)\])(?::[0-9]{0,5})?', re.ASCII | re.I
)

# The accepted hosts in the form that `host_name` returns; None: any host.
TRUSTED_HOSTS: AppValue[list[str] | None] = AppValue('trusted_hosts')


class HostInvalid(BadRequest):
    """The host is missing or malformed (RFC 9112, section 3.2), or it is not a trusted one."""

    reason = (
        'The header Host is missing, malformed, or names a host that this service does not have'
    )


def init_app(app: Flask) -> None:
    """Register the check of the host of each request.

    It replaces that of Flask, which distinguishes capitals and cannot read IPv6 addresses.
    """
    TRUSTED_HOSTS.set(app, app.config['TRUSTED_HOSTS'])
    app.config['TRUSTED_HOSTS'] = None
    app.before_request(check_host)


def check_host() -> None:
    """Ensure that the request names a trusted host.

    The host of an absolute URL in the request line replaces the header (RFC 9112, section 3.2.2).
    A request of HTTP/1.0 may have no host.

    :raises HostInvalid: if the host is missing, malformed or not trusted.
    """
    target = request.environ.get('RAW_URI', '')
    authority = request.environ.get('HTTP_HOST')
    if '://' in target.partition('?')[0] and not target.startswith('/'):
        authority = urlsplit(target).netloc
    if authority is None and request.environ.get('SERVER_PROTOCOL') == 'HTTP/1.0':
        return
    name = host_name(authority or '')
    if name is None or not is_trusted(name, TRUSTED_HOSTS.get()):
        raise HostInvalid


def host_name(authority: str) -> str | None:
    """Return the host of an authority in normal form, or None if the authority is malformed.

    In this form, names have lower case and no final dot; IPv6 addresses have no brackets.
    """
    match = HOST_PATTERN.fullmatch(authority)
    if match is None:
        return None
    if match['name']:
        return match['name'].lower().removesuffix('.') or None
    try:
        return ip_address(match['ipv6']).compressed
    except ValueError:
        return None


def is_trusted(name: str, trusted: list[str] | None) -> bool:
    """Return whether a host in normal form is trusted. `.example.com` also trusts all below it."""
    if not trusted:
        return True
    return any(
        name == host.removeprefix('.') or (host.startswith('.') and name.endswith(host))
        for host in trusted
    )
