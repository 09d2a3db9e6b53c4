"""The command `python -m tests.http_lint`: judge responses of a running service by REDbot's rules.

REDbot requests every GET route, directly and through nginx, without a login and as an admin, and
sends further requests with `Range`, `If-None-Match` and `Accept-Encoding`. httplint judges the
responses of all other routes, and errors of all routes. The command prints each note with its
number, and fails if a note is a warning or an error.
"""

import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from configparser import ConfigParser
from dataclasses import dataclass, field
from http.client import HTTPConnection
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import orjson
from flask import Flask
from httplint import HttpRequestLinter, HttpResponseLinter, levels
from PIL import Image

from config.testing import TestingConfig
from project import create_app
from project.core.web.endpoints.endpoint_spec import ENDPOINT_SPECS
from project.core.web.routing import URL_ARGUMENT_PATTERN
from tests.servers.nginx import proxy
from tests.service import Service, running_service

# URLs, commands and factories of these features.
requires = ('auth', 'files')

API = '/api/v1'
TUS = {'Tus-Resumable': '1.0.0'}
JSON = {'Content-Type': 'application/json'}
FAULTS = {levels.WARN, levels.BAD}

# Warnings and errors that are right for this service, with the reason.
EXPECTED = {
    '"Accept-Encoding" isn\'t valid in a response.': (
        'RFC 9110, section 12.5.3, defines it for the response 415 to a coded body'
    ),
    "This status code doesn't define any meaning for the Location header.": (
        'RFC 9110, section 15.3.3: a response 202 ought to point to a status monitor'
    ),
}


@dataclass
class Report:
    """The notes about all responses: their number, and the first response, by level and text."""

    counts: Counter[tuple[Any, str]] = field(default_factory=Counter)
    examples: dict[tuple[Any, str], tuple[str, list[str]]] = field(default_factory=dict)
    responses: int = 0

    def add(self, what: str, notes: Iterable[Any]) -> None:
        """Add the notes about a response."""
        self.responses += 1
        for note in notes:
            key = note.level, type(note).__name__
            self.counts[key] += 1
            self.examples.setdefault(key, (note.summary, []))[1].append(what)

    @property
    def faults(self) -> list[str]:
        """The warnings and errors that are not expected."""
        return [
            summary
            for (level, _), (summary, _) in self.examples.items()
            if level in FAULTS and summary not in EXPECTED
        ]

    def lines(self) -> Iterator[str]:
        """Yield a line for each note, the most severe first, with examples."""
        for key in sorted(self.counts, key=lambda key: (key[0] not in FAULTS, str(key))):
            summary, where = self.examples[key]
            is_fault = key[0] in FAULTS
            more = EXPECTED.get(summary) or ', '.join(where[: 5 if is_fault else 1])
            yield f'{key[0].value:8}{self.counts[key]:6}  {summary} ({more})'


@dataclass(frozen=True)
class Unreachable:
    """A note about a URL without a complete response."""

    summary: str
    level: Any = levels.BAD
    subnotes: tuple[Any, ...] = ()


def lint_response(
    method: str, url: str, status: int, headers: Iterable[tuple[str, str]], body: bytes
) -> list[Any]:
    """Return the notes of httplint about one response.

    :param url: the URL of the request, or its path.
    """
    request = HttpRequestLinter()
    request.process_request_topline(method.encode(), url.encode(), b'1.1')
    response = HttpResponseLinter(start_time=time.time(), _related=request)
    response.is_head_response = method == 'HEAD'
    response.process_response_topline(b'1.1', str(status).encode())
    response.process_headers([(name.encode(), value.encode('latin-1')) for name, value in headers])
    response.feed_content(body)
    response.finish_content(True)
    return list(flattened(response.notes))


def flattened(notes: Iterable[Any]) -> Iterator[Any]:
    """Yield notes and the notes below them."""
    for note in notes:
        yield note
        yield from flattened(note.subnotes)


@dataclass
class Client:
    """A client whose responses httplint judges."""

    url: str
    report: Report
    token: str = ''

    def ask(
        self, method: str, path: str, body: bytes = b'', headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """Send a request; return the status, the headers and the body of the response."""
        credential = {'Authorization': f'Bearer {self.token}'} if self.token else {}
        connection = HTTPConnection(urlsplit(self.url).netloc, timeout=30)
        connection.request(method, path, body or None, {**credential, **(headers or {})})
        response = connection.getresponse()
        content, found = response.read(), response.getheaders()
        connection.close()
        notes = lint_response(method, path, response.status, found, content)
        self.report.add(f'{method} {path}: {response.status}', notes)
        return response.status, {name.lower(): value for name, value in found}, content

    def created(self, path: str, value: Any = None, **raw: Any) -> Any:
        """Send a POST that must succeed; return its data."""
        raw = raw or {'body': orjson.dumps(value), 'headers': JSON}
        status, _, content = self.ask('POST', API + path, **raw)
        assert status in (201, 202), (path, content)
        return orjson.loads(content)['data']


def log_in(client: Client, service: Service) -> None:
    """Create an admin, and give the client a token of the admin."""
    printed = service.flask('create-user', 'grace', '--email', 'grace@example.com', '--admin')
    password = printed.split('Password: ')[1].strip()
    login = {'user_or_email': 'grace', 'password': password}
    client.token = client.created('/auth/sessions', login)['token']


def make_objects(client: Client, service: Service) -> dict[str, str]:
    """Create an object for each URL argument; return the values of the arguments."""
    headers = {'Content-Type': 'text/plain'}
    file = client.created('/files?name=a.txt', body=b'hello ' * 100, headers=headers)
    # REDbot requests ranges of 97 bytes, so the report about the files must be longer: a line for
    # each type.
    for kind in ('GIF', 'JPEG', 'PNG', 'WEBP'):
        image = BytesIO()
        Image.new('RGB', (300, 200), 'navy').save(image, kind)
        client.created('/files', body=image.getvalue(), headers={'Content-Type': 'image/*'})
    form = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.webp"\r\n'
        b'Content-Type: image/webp\r\n\r\n' + image.getvalue() + b'\r\n--x--\r\n'
    )
    multipart = {'Content-Type': 'multipart/form-data; boundary=x'}
    client.ask('PUT', f'{API}/users/me/avatar', form, multipart)
    export = client.created('/users/me/exports', {})
    _, created, _ = client.ask(
        'POST', f'{API}/files/uploads', headers={**TUS, 'Upload-Length': '3'}
    )
    upload = created['location']
    client.ask('HEAD', upload, headers=TUS)
    chunk = {**TUS, 'Upload-Offset': '0', 'Content-Type': 'application/offset+octet-stream'}
    client.ask('PATCH', upload, b'abc', chunk)
    published = service.var / 'public' / 'hello.txt'
    published.parent.mkdir(exist_ok=True)
    published.write_text('hello ' * 100)
    return {
        'user_id': '1', 'username': 'grace', 'name': 'member', 'number': '1',
        'file_id': file['id'], 'export_id': export['id'], 'upload_id': upload.rpartition('/')[2],
        'token': client.created(f'/files/{file["id"]}/links', {})['token'],
    }  # fmt: skip


def urls_of(app: Flask, method: str, values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the kinds of access and the paths of all routes with a method.

    :param values: the values of the URL arguments.
    """
    for (endpoint, found), spec in ENDPOINT_SPECS.of(app).items():
        for rule in app.url_map.iter_rules(endpoint) if found == method else ():
            yield spec.allow.kind, path_of(rule.rule, values)


def path_of(rule: str, values: Mapping[str, str]) -> str:
    """Return a path that matches a URL rule."""
    filename = 'docs.js' if '/docs/' in rule else 'hello.txt'
    # The ids without a value are UUIDs of objects that do not exist.
    given = defaultdict(lambda: str(UUID(int=0)), values, filename=filename)
    return URL_ARGUMENT_PATTERN.sub(lambda match: given[match['name']], rule)


def send_invalid_requests(client: Client, app: Flask, values: Mapping[str, str]) -> None:
    """Send requests to each route that it must reject, and OPTIONS."""
    stranger = Client(client.url, client.report)
    for method in ('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'):
        for _, path in urls_of(app, method, values):
            client.ask(method, f'{path}?undeclared=1', headers=TUS)
            client.ask('OPTIONS', path)
            client.ask('TRACE', path)
            if method not in ('GET', 'HEAD'):
                coded = {**TUS, 'Content-Encoding': 'gzip'}
                stranger.ask(method, path, b'{}', {**TUS, **JSON})
                stranger.ask(method, path, b'{}', {**coded, **JSON})
                client.ask(method, f'{path}?undeclared=1', b'x', {**coded, 'Content-Type': 'a/b'})
    client.ask('GET', '/nowhere', headers={'Accept': 'application/problem+json'})


def run_redbot(urls: Iterable[tuple[str, Mapping[str, str]]], report: Report) -> None:
    """Let REDbot judge URLs one after the other; it sends several requests to each.

    :param urls: the URLs, each with the headers of the requests.
    """
    # Imported here: it creates an event loop, which can run only once.
    import thor
    from redbot.resource import HttpResource

    config = ConfigParser()
    config.read_dict({'redbot': {'enable_local_access': 'True'}})
    waiting = iter(urls)

    def check_next() -> None:
        url, headers = next(waiting, (None, {}))
        if url is None:
            thor.stop()
            return
        resource = HttpResource(config['redbot'])
        resource.set_request(url, headers=list(headers.items()))

        def judge() -> None:
            notes = list(flattened(resource.response.notes))
            if not resource.response.complete:
                notes = [Unreachable(f'no complete response: {resource.fetch_error}')]
            report.add(url, notes)
            thor.schedule(0, check_next)

        resource.on('check_done', judge)
        resource.check()

    thor.schedule(0, check_next)
    thor.run()


def redbot_urls(
    app: Flask, client: Client, values: Mapping[str, str]
) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield the URL of each GET route, with a token if the route requires one."""
    credential = {'Authorization': f'Bearer {client.token}'}
    yield f'{client.url}/nowhere', {}
    for allow, path in urls_of(app, 'GET', values):
        yield client.url + path, {} if allow == 'public' else credential


def main() -> int:
    """Start the service and nginx, and judge their responses; return the exit code."""
    app, report = create_app(TestingConfig), Report()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / 'nginx').mkdir()
        settings = {'RATELIMIT_ENABLED': 'false', 'CORS_ORIGINS': 'https://app.example'}
        with (
            running_service(folder, **settings) as service,
            proxy(urlsplit(service.url).port or 0, folder / 'nginx') as port,
        ):
            client = Client(service.url, report)
            log_in(client, service)
            values = make_objects(client, service)
            proxied = Client(f'http://127.0.0.1:{port}', report, client.token)
            urls: list[tuple[str, Mapping[str, str]]] = []
            for each in (client, proxied):
                send_invalid_requests(each, app, values)
                urls += redbot_urls(app, each, values)
            run_redbot(urls, report)
    sys.stdout.write(f'{report.responses} responses\n' + '\n'.join(report.lines()) + '\n')
    return len(report.faults) > 0


if __name__ == '__main__':
    sys.exit(main())
