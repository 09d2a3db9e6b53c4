"""The scenario that each generated client runs, and the dialog with the program that runs it.

The program has the arguments URL and NAME, the name of the user to register. It prints a line
`pin EMAIL` to request the PIN that the service has mailed, and reads the PIN from its input. After
each step it prints the name of the step.
"""

import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.kit.mailbox import Mail, mails_in
from tests.service import Service, wait_for

# URLs of these features.
requires = ('auth', 'files')

STEPS = (
    'register', 'verify', 'log in', 'upload', 'pages', 'range', 'change', 'conflict', 'archive',
    'share', 'failure',
)  # fmt: skip


def run_scenario(
    service: Service, name: str, command: Sequence[str | Path], **env: str
) -> list[str]:
    """Run the program of a client; return the steps that it completed.

    :raises AssertionError: if the program fails; the message is its output.
    """
    inherited = {key: os.environ[key] for key in ('PATH', 'HOME') if key in os.environ}
    with subprocess.Popen(
        [*command, service.url, name], env={**inherited, **env}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdin
        assert process.stderr
        steps = []
        for line in _lines(process):
            word, _, email = line.partition(' ')
            if word == 'pin':
                process.stdin.write(f'{_pin(service, email)}\n')
                process.stdin.flush()
            else:
                steps.append(line)
        failure = process.stderr.read()
    assert process.returncode == 0, f'{name} after {steps[-1:]}: {failure}'
    return steps


def _lines(process: 'subprocess.Popen[str]') -> Iterator[str]:
    assert process.stdout
    for line in process.stdout:
        yield line.rstrip('\n')


def _pin(service: Service, email: str) -> str:
    def found() -> list[Mail]:
        return [mail for mail in mails_in(service.var / 'mail') if mail['To'] == email]

    wait_for(found)
    return found()[-1].code
