"""Check of the sentences in changed files against the style guide in CONTRIBUTING.

`make sentences` reads docstrings, comments, help texts, error reasons, names of tests, Markdown and
the comments of settings files. Strict patterns fail; the others are printed as notes.
"""

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
MAIN_BRANCHES = ('origin/main', 'main')
SETTINGS = {'.env.example', 'Dockerfile', 'Makefile', 'docker-compose.yml', 'pyproject.toml'}
# An exception: this text and a reason in the same paragraph, docstring or comment.
EXCEPTION = re.compile(r'sentences: keep, because \w+')


class Pattern(NamedTuple):
    """A construction that readers must read twice, and the recommended replacement."""

    is_strict: bool
    meaning: str
    advice: str
    regex: str


PATTERNS = (
    Pattern(True, 'a person without a noun', 'the actor, such as "a client that waits"',
            r'(?i)\bwhoever\b|\b(?:to|for|of|by|from|than|with|lets|but) who \w+|^who \w+(?!.*\?)'),
    Pattern(True, 'a clause instead of a noun', 'the noun: "due tasks", "the stored bytes"',
            r'(?i)(?:^|\b(?:of|for|in|to|with|by|from|than|as|and|on) )what (?:is|was|are|were|has|'
            r'had|it|they|comes|came|must|needs|follows|waits|lies|a|the|no)\b(?!.*\?)'),
    Pattern(True, 'a quantity without a figure', 'the number, or the name of its constant',
            r'(?i)\bso (?:many|much|long|often)\b(?! as\b| that\b)'),
    Pattern(True, 'a negation in the noun', 'a negated verb: "is not a number"',
            r'\b(?:that|which|what|who) (?:is|are|was|were) (?:none|no(?! longer))\b'),
    Pattern(True, 'a rare conjunction', '"so that … not", "except", "even if"',
            r'(?i)\blest\b|\bbut for\b|, but (?:of|for) \w+[,.]|\balso (?:where|of those)\b'),
    Pattern(True, 'a condition before its subject', '"Idempotent: a second run sends no mail"',
            r'(?:^|[.!?:] )(?:Asked|Run|Called|Told|Sent|Counted) [^.,]{2,40}, (?:it|they|no)\b'),
    Pattern(True, 'a metaphor', 'the term of the glossary: "layer", "entry point", "delete"',
            r'(?i)\b(?:house|doors?|lanes?|crews?|seats?|doorbells?|ledgers?|bury|let go of)\b'),
    Pattern(True, 'an object that stands or lies', '"is", "is stored in", "is defined in"',
            r'\b(?:stands?|lies?) (?:in|on|under|above|below|behind|beside|there|here|where|by)\b'),
    Pattern(True, 'a docstring that wishes', '"Return whether …", "Send a PIN"',
            r'^(?:Tell whether|Have (?:a|an|the|all|what|everything|it|one)\b)'),
    Pattern(False, 'an actor without a name', '"any user", "no process", "all clients"',
            r'(?i)\b(?:somebody|nobody|everybody|anybody|of theirs|oneself)\b'),
    Pattern(False, 'a refusal', '":raises X: if …", "returns 409", "rejects"',
            r'(?i)\brefus(?:e|es|ed|al|als|ing)\b(?! connections?\b)'),
    Pattern(False, 'a machine that speaks', '"queries", "returns", "logs", "trusts"',
            r'\b(?:is|are) (?:asked|told|believed)\b|\b(?:says?|tells?|hears?) (?:so|what)\b'),
)  # fmt: skip


def main(root: Path = ROOT, names: Iterable[str] = ()) -> int:
    """Print the issues in these files, by default in changed files; return the exit code."""
    paths = list(names) or changed_files(root)
    if paths is None:
        sys.stdout.write('Sentences: not checked, the repository has no main branch to compare\n')
        return 0
    found = [(path, line, pattern) for path in paths for line, pattern in issues(root / path)]
    for path, line, (is_strict, meaning, advice, _) in found:
        level = 'error' if is_strict else 'note'
        sys.stdout.write(f'{path}:{line}: {level}: {meaning}. Instead: {advice}\n')
    failed = any(pattern.is_strict for _, _, pattern in found)
    sys.stdout.write(f'Sentences: {"failed" if failed else "ok"}, {len(paths)} files\n')
    return int(failed)


def changed_files(root: Path) -> list[str] | None:
    """Return the files that differ from the main branch, or None if there is no main branch."""
    for branch in MAIN_BRANCHES:
        if base := _git(root, 'merge-base', 'HEAD', branch):
            changed = _git(root, 'diff', '--name-only', '--no-renames', '--diff-filter=d', *base)
            return sorted({*changed, *_git(root, 'ls-files', '--others', '--exclude-standard')})
    return None


def _git(root: Path, *arguments: str) -> list[str]:
    try:
        ended = subprocess.run(['git', *arguments], cwd=root, capture_output=True, text=True)
    except FileNotFoundError:
        return []
    return ended.stdout.splitlines() if ended.returncode == 0 else []


def issues(file: Path) -> Iterator[tuple[int, Pattern]]:
    """Yield the line and the pattern of each match in a file; ignore code in backticks."""
    for line, text in _units(file):
        if not EXCEPTION.search(text):
            plain = re.sub(r'`[^`]*`', '`…`', text)
            yield from ((line, pattern) for pattern in PATTERNS if re.search(pattern.regex, plain))


def _units(file: Path) -> Iterator[tuple[int, str]]:
    """Yield the first line and the text of each docstring, comment, paragraph and table row."""
    if file.suffix == '.py' and file.parent.parent.name != 'versions':
        yield from _python(file.read_text(encoding='utf-8'))
    elif file.suffix == '.md':
        yield from _markdown(file.read_text(encoding='utf-8'))
    elif file.name in SETTINGS or file.parent.name == 'deploy':
        lines = file.read_text(encoding='utf-8').splitlines()
        yield from _comments((n, line) for n, line in enumerate(lines, 1) if '#' in line)


def _python(source: str) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            yield node.body[0].lineno if node.body else 1, ast.get_docstring(node) or ''
        if isinstance(node, ast.FunctionDef) and node.name.startswith('test_'):
            yield node.lineno, node.name.removeprefix('test_').replace('_', ' ')
        if (isinstance(node, ast.keyword) and node.arg == 'help') or (
            isinstance(node, ast.Assign) and 'reason' in ast.unparse(node.targets[0])
        ):
            texts = [part for part in ast.walk(node.value) if isinstance(part, ast.Constant)]
            yield from ((part.lineno, str(part.value)) for part in texts)
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    yield from _comments((t.start[0], t.string) for t in tokens if t.type == tokenize.COMMENT)


def _comments(lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Yield each comment; comments on consecutive lines are joined to one."""
    start, last, text = 0, -1, ''
    for number, line in lines:
        if number != last + 1:
            yield start, text.strip()
            start, text = number, ''
        text, last = f'{text} {line.partition("#")[2].strip("# ")}', number
    yield start, text.strip()


def _markdown(text: str) -> Iterator[tuple[int, str]]:
    """Yield the headings, table rows, list items and paragraphs, without code blocks."""
    prose = re.sub(r'^ *```.*?^ *```', lambda m: '\n' * m[0].count('\n'), text, flags=re.M | re.S)
    start, unit = 0, ''
    for number, line in enumerate(prose.splitlines(), 1):
        if not unit or not line.strip() or re.match(r' *(?:[-*|#]|\d+\.) ', line):
            yield start, unit
            start, unit = number, ''
        unit = f'{unit} {line.strip(" -*|#")}'.strip()
    yield start, unit


if __name__ == '__main__':
    sys.exit(main(names=sys.argv[1:]))
