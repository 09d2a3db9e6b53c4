"""Request /healthz of the service in this container; exit with 1 unless it returns 200 in time."""

import os
from http.client import HTTPConnection

# The service accepts only requests for the hosts in TRUSTED_HOSTS.
host = (os.environ.get('TRUSTED_HOSTS') or 'localhost').split()[0].removeprefix('.')
if ':' in host:  # An IPv6 address has brackets in the header.
    host = f'[{host.strip("[]")}]'
service = HTTPConnection('127.0.0.1', int(os.environ.get('PORT') or 8000), timeout=2)
try:
    service.request('GET', '/healthz', headers={'Host': host})
    raise SystemExit(service.getresponse().status != 200)
except OSError as error:
    raise SystemExit(str(error)) from None
