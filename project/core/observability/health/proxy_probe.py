"""The report of `/healthz` about the proxies that a request has passed.

Only `flask doctor` receives it: its request has a header that is signed with `SECRET_KEY`. Other
clients must not see the IP addresses of the proxies.
"""

import json
import time
from datetime import timedelta
from typing import Any

from flask import Response, after_this_request, current_app, request

from project.core.security.key_usage import register_expiring_values
from project.core.security.signing import sign, unsign
from project.core.web.requests.client_ip import client_ip

PROBE_HEADER, REPORT_HEADER = 'X-Doctor-Probe', 'X-Doctor-Report'
PURPOSE = 'proxy probe'
PROBE_LIFETIME_SECONDS = 60

register_expiring_values(
    'probes of proxies',
    used_in=__name__,
    lifetime=timedelta(seconds=PROBE_LIFETIME_SECONDS),
    effect='`flask doctor --url` gets no report; run it again',
)


def create_probe() -> str:
    """Return the value of `PROBE_HEADER` for a request of the next minute."""
    return sign(PURPOSE, int(time.time()))


def report_to_probe() -> None:
    """Add `REPORT_HEADER` to the response, if the request has a valid `PROBE_HEADER`."""
    created_at = unsign(PURPOSE, request.headers.get(PROBE_HEADER, ''))
    if not isinstance(created_at, int) or abs(time.time() - created_at) > PROBE_LIFETIME_SECONDS:
        return
    report = json.dumps(_report())

    @after_this_request
    def add_header(response: Response) -> Response:
        response.headers[REPORT_HEADER] = report
        return response


def _report() -> dict[str, Any]:
    """Return the forwarding headers as they arrived, and the values that the service uses."""
    return {
        'forwarded_for': request.headers.get('X-Forwarded-For', ''),
        'trusted_proxies': current_app.config['TRUSTED_PROXIES'],
        'address': client_ip(),
        'scheme': request.scheme,
    }
