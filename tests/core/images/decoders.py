"""Decoders that run other code, as if an image had hijacked them."""

from pathlib import Path

from project.core.images import DECODER, SANDBOX


def disguised(folder: Path, code: str, before: str = '', **changes: str) -> Path:
    """Return a sandboxed decoder that runs other code instead of rendering an image.

    :param before: code that runs outside of the sandbox.
    :param changes: constants of the sandbox.
    """
    text = DECODER.read_text()
    rendering = next(
        line for line in text.splitlines() if line.startswith('        found = render')
    )
    text = text.replace(rendering, f"        {code}; found = b''")
    text = text.replace('\nif __name__', f'\n{before}\nif __name__')
    sandbox = SANDBOX.read_text().splitlines()
    for name, value in changes.items():
        (at,) = [n for n, each in enumerate(sandbox) if each.startswith(f'{name} =')]
        sandbox[at] = f'{name} = {value}'
    (folder / 'sandbox.py').write_text('\n'.join(sandbox))
    path = folder / 'decoder_process.py'
    path.write_text(text)
    return path
