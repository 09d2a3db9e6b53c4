"""All mails in a browser, as wide as a phone and as a desktop window: no text overflows."""

import html
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from project.core.clock import now
from project.core.mail.previews import PREVIEW_RECIPIENT, mail_names, preview_mail
from project.core.mail.rendering import new_message_identity, render_mail
from tests.journeys.browsers import CHROMIUM

pytestmark = pytest.mark.servers

WIDTHS = (360, 800)
LONGEST = 'x' * 255

PAGE = """<!doctype html><body>{frames}<script>
addEventListener('load', () => {{
  const wide = [...document.querySelectorAll('iframe')].map(frame => [
    frame.clientWidth, frame.contentDocument.documentElement.scrollWidth,
    frame.contentDocument.body.innerText.trim().length,
  ]);
  document.body.append(JSON.stringify(wide));
}});
</script>"""
FRAME = '<iframe srcdoc="{}" style="width:{}px;height:600px;border:0"></iframe>'


def longest(value: Any) -> Any:
    """Return an example in which all texts have the maximum length and no spaces."""
    if isinstance(value, dict):
        return {name: longest(item) for name, item in value.items()}
    if isinstance(value, list):
        return [longest(item) for item in value]
    return LONGEST if isinstance(value, str) and not value.isdigit() else value


def bodies(app: Flask) -> list[str]:
    """Return the HTML of all mails: with their example values and with the longest values."""
    found = []
    for name in mail_names():
        source, _, _ = app.jinja_env.loader.get_source(app.jinja_env, f'mail/{name}/example.json')
        with_longest_values = render_mail(
            name, PREVIEW_RECIPIENT, longest(json.loads(source)), new_message_identity(now())
        )
        for mail in (preview_mail(name), with_longest_values):
            body = mail.get_body(('html',))
            assert body is not None
            found.append(body.get_content())
    return found


def test_all_mails_fit_into_a_phone_and_a_window(app: Flask, tmp_path: Path) -> None:
    shown = [(body, width) for body in bodies(app) for width in WIDTHS]
    frames = ''.join(FRAME.format(html.escape(body), width) for body, width in shown)
    page = tmp_path / 'mails.html'
    page.write_text(PAGE.format(frames=frames))

    command = [*CHROMIUM, f'--user-data-dir={tmp_path}/browser', '--dump-dom', page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=True)

    [measured] = re.findall(r'\[\[.*\]\]', done.stdout)
    sizes = json.loads(measured)
    assert len(sizes) == len(shown) >= 12
    for (body, width), (inner, needed, length) in zip(shown, sizes, strict=True):
        assert inner == width
        assert needed <= width, body
        assert length > 100
