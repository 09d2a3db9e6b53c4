"""HTTP client that requests one URL repeatedly, over keep-alive connections.

It runs in a separate process. When the time is over, it waits for the responses to the requests
that it has sent, so that slow requests are counted completely. `benchmarks.load` uses it if the
tool wrk is not installed, or if slow requests must be counted completely.
"""

import argparse
import http.client
import json
import statistics
import threading
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class Tally:
    """The latencies (seconds) and the number of wrong responses of one connection."""

    latencies: list[float] = field(default_factory=list)
    bad: int = 0


def main() -> None:
    options = _parser().parse_args()
    tallies = [Tally() for _ in range(options.connections)]
    started = time.perf_counter()
    deadline = started + options.seconds
    threads = [threading.Thread(target=_load, args=(options, deadline, tally)) for tally in tallies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - started
    print(json.dumps(_result(tallies, seconds)))


def _load(options: argparse.Namespace, deadline: float, tally: Tally) -> None:
    url = urlsplit(options.url)
    target = f'{url.path}?{url.query}' if url.query else url.path
    headers = dict(header.split(': ', 1) for header in options.header)
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=60)
    while (started := time.perf_counter()) < deadline or len(tally.latencies) < options.least:
        connection.request('GET', target, headers=headers)
        response = connection.getresponse()
        body = response.read()
        tally.latencies.append(time.perf_counter() - started)
        tally.bad += response.status != 200 or len(body) != options.length
    connection.close()


def _result(tallies: list[Tally], seconds: float) -> dict[str, float]:
    latencies = [latency for tally in tallies for latency in tally.latencies]
    return {
        'requests': len(latencies),
        'seconds': seconds,
        'bad': sum(tally.bad for tally in tallies),
        'p50_ms': statistics.median(latencies) * 1000,
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog='benchmarks.client', description=__doc__)
    parser.add_argument('url')
    parser.add_argument('--header', action='append', default=[])
    parser.add_argument('--connections', type=int, default=1)
    parser.add_argument('--seconds', type=float, default=2.0)
    parser.add_argument(
        '--least', type=int, default=3, help='minimum number of requests per connection'
    )
    parser.add_argument(
        '--length', type=int, required=True, help='expected length of the body in bytes'
    )
    return parser


if __name__ == '__main__':
    main()
