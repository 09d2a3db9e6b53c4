"""The check of `TRUSTED_PROXIES`: a request through the proxies, and what arrived of it."""

import json
import ssl
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from project.core.checks import (
    DoctorCheck,
    Finding,
    Need,
    Situation,
    State,
    reason_of,
    register_check,
)
from project.core.observability.health.proxy_probe import (
    PROBE_HEADER,
    REPORT_HEADER,
    create_probe,
)

REQUEST_SECONDS = 4.0
# An address of the range for documentation (RFC 5737): no client has it. The check sends it as a
# client would that wants to hide its own address.
FORGED_ADDRESS = '192.0.2.1'
HOW_TO_CHECK = 'Start the service, and run `flask doctor --url https://…` with its URL for clients.'


def check_proxies(situation: Situation) -> Iterator[Finding]:
    """Request `/healthz` through the proxies, and compare what arrived with `TRUSTED_PROXIES`."""
    hops, config = situation.config['TRUSTED_PROXIES'], situation.config
    if situation.url is None:
        if config['STRICT'] and config['PUBLIC_URL'].startswith('https:') and hops == 0:
            seen = 'TRUSTED_PROXIES is 0, although only a proxy can serve https://'
            yield Finding(State.WARNING, seen, fails_deploy=True)
        else:
            seen = f'TRUSTED_PROXIES is {hops}; no request has shown whether this is right'
            yield Finding(State.NOT_CHECKED, seen, HOW_TO_CHECK)
        return
    try:
        status, report = request_report(situation.url, create_probe())
    except (OSError, HTTPException) as error:
        yield Finding(State.FAILED, reason_of(error), 'Correct the URL, or start the service.')
        return
    if report is None:
        reason = f'status {status}' if status != HTTPStatus.OK else 'another SECRET_KEY or service'
        seen = f'the response has no report about proxies: {reason}'
        yield Finding(State.FAILED, seen, 'Run the command with the settings of the service.')
    else:
        yield report_finding(report, urlsplit(situation.url).scheme)


def request_report(url: str, probe: str) -> tuple[int, dict[str, Any] | None]:
    """Request `/healthz`; return the status of the response, and the report of the service.

    :param url: the URL of the service, with `http:` or `https:`.
    :raises OSError: if the server cannot be reached.
    :raises HTTPException: if its response is not HTTP.
    """
    parts = urlsplit(url)
    host = parts.hostname or ''
    connection: HTTPConnection = (
        HTTPSConnection(
            host, parts.port, timeout=REQUEST_SECONDS, context=ssl.create_default_context()
        )
        if parts.scheme == 'https'
        else HTTPConnection(host, parts.port, timeout=REQUEST_SECONDS)
    )
    headers = {PROBE_HEADER: probe, 'X-Forwarded-For': FORGED_ADDRESS}
    try:
        connection.request('GET', f'{parts.path.rstrip("/")}/healthz', headers=headers)
        response = connection.getresponse()
        found = response.getheader(REPORT_HEADER)
    finally:
        connection.close()
    return response.status, json.loads(found) if found else None


def report_finding(report: Mapping[str, Any], scheme: str) -> Finding:
    """Compare the forwarding headers that arrived with `TRUSTED_PROXIES` of the service.

    :param report: the report of the service. Its settings count, not those of this command.
    :param scheme: the scheme of the request: `https`.
    """
    passed, hops = count_proxies(report['forwarded_for']), report['trusted_proxies']
    if passed != hops:
        effect = (
            'clients can choose their IP address'
            if passed < hops
            else 'all clients share the IP address and the limits of a proxy'
        )
        seen = f'proxies: {passed}, but TRUSTED_PROXIES is {hops}: {effect}'
        return Finding(State.FAILED, seen, f'Set TRUSTED_PROXIES={passed}.')
    if not report['address'] or report['address'] == FORGED_ADDRESS:
        seen = f'the service reads the address {report["address"]!r} of the client'
        return Finding(State.FAILED, seen)
    if report['scheme'] != scheme:
        seen = f'the service reads the scheme {report["scheme"]} of a request with {scheme}'
        remedy = 'Let each proxy append its scheme to X-Forwarded-Proto, as deploy/nginx.conf does.'
        return Finding(State.WARNING, seen, remedy, fails_deploy=True)
    return Finding(State.OK, f'proxies: {passed}, address of this client: {report["address"]}')


def count_proxies(forwarded_for: str) -> int:
    """Return the number of proxies that have added a value to `X-Forwarded-For`.

    A proxy appends a value to the forged one, or replaces the header by its own value.
    """
    values = [value.strip() for value in forwarded_for.split(',') if value.strip()]
    return len(values) - values.count(FORGED_ADDRESS)


register_check(
    'proxies',
    DoctorCheck(
        function=check_proxies,
        needs=Need.APPLICATION,
        remedy='Set TRUSTED_PROXIES to the number of proxies: docs/operations.md, "Proxies".',
    ),
    owner=__name__,
)
