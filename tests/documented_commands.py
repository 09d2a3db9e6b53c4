"""The command `python -m tests.documented_commands PAGE`: follow a page in a new repository.

The command copies the repository, commits the copy, and goes through the code blocks of the page in
their order. It writes each block that begins with `# <path>.py` to that file. It runs each line
that begins with `$ ` in one shell, and compares the lines below with the output of the command. `…`
stands for any text. A command must succeed, unless the page shows that it prints `Nothing was
removed`.

A block below `<!-- not run: reason -->` is skipped. The exit code is 1 after the first step that
does not do what the page says.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.complete_copy import commit_copy, copy_virtual_environment
from tests.repository_copy import ROOT

BLOCK = re.compile(r'^(<!-- not run: [^\n]+ -->\n)?```(\w*)\n(.*?)^```$', re.DOTALL | re.MULTILINE)
FILE = re.compile(r'# (\S+\.py)\n')
# The shell prints this line after each command, with the exit code.
END = 'documented-command-ended'
# Output of commands that documents show, although their exit code is 1.
EXPECTED_FAILURE = 'Nothing was removed'
KEPT_VARIABLES = (
    *('PATH', 'HOME', 'TMPDIR', 'LANG'),
    *('PYTEST_XDIST_AUTO_NUM_WORKERS', 'TESTS_WITHOUT_SQL'),
)


class NewFile(NamedTuple):
    """A block that contains a whole file."""

    path: str
    text: str


class Command(NamedTuple):
    """A command, and the output that the page shows; an empty text allows any output."""

    line: str
    output: str


def main(arguments: Sequence[str]) -> int:
    """Follow a page in a new clone; return the exit code."""
    page = (ROOT / arguments[0]).read_text(encoding='utf-8')
    with tempfile.TemporaryDirectory() as folder:
        clone = commit_copy(Path(folder) / 'clone')
        copy_virtual_environment(clone)
        start = time.monotonic()
        fault = follow(page, clone)
        _print(f'{time.monotonic() - start:6.1f} s  in total\n')
    _print(fault)
    return 1 if fault else 0


def steps_of(page: str) -> Iterator[NewFile | Command]:
    """Yield the files and commands of a page in their order."""
    for is_skipped, language, text in BLOCK.findall(page):
        file = FILE.match(text)
        if is_skipped:
            continue
        if language == 'python' and file:
            yield NewFile(file[1], text[file.end() :])
        elif not language and text.startswith('$ '):
            for part in re.split(r'^\$ ', text, flags=re.MULTILINE)[1:]:
                line, _, output = part.partition('\n')
                yield Command(line, output)


def follow(page: str, folder: Path) -> str:
    """Follow a page in a folder; return the fault of the first wrong step, or an empty text."""
    environment = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    with subprocess.Popen(
        ['bash', '--norc'], cwd=folder, env=environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as shell:  # fmt: skip
        for step in steps_of(page):
            if isinstance(step, NewFile):
                (folder / step.path).parent.mkdir(parents=True, exist_ok=True)
                (folder / step.path).write_text(step.text, encoding='utf-8')
            elif fault := _fault_of(step, shell):
                return fault
        return ''


def _fault_of(command: Command, shell: 'subprocess.Popen[str]') -> str:
    start = time.monotonic()
    assert shell.stdin is not None
    assert shell.stdout is not None
    # A command must not read the following ones from the standard input of the shell.
    shell.stdin.write(f'{command.line} </dev/null\nprintf "\\n{END} %s\\n" $?\n')
    shell.stdin.flush()
    lines = []
    for line in shell.stdout:
        if line.startswith(END):
            break
        lines.append(line)
    else:
        return f'$ {command.line}\nended the shell'
    output = ''.join(lines)
    _print(f'{time.monotonic() - start:6.1f} s  $ {command.line}\n')
    may_fail = EXPECTED_FAILURE in command.output
    if line.split() != [END, '0'] and not may_fail:
        return f'$ {command.line}\nfailed with exit code {line.split()[1]}:\n{output}'
    if not is_matched(command.output, output):
        return f'$ {command.line}\nprinted:\n{output}\nThe page shows:\n{command.output}'
    return ''


def is_matched(shown: str, printed: str) -> bool:
    """Return whether a command printed the text that the page shows; `…` matches any text."""
    pattern = '.*'.join(re.escape(part) for part in shown.strip().split('…'))
    return not shown or re.fullmatch(pattern, printed.strip(), re.DOTALL) is not None


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
