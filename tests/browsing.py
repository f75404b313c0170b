"""What every test in a browser shares: finding one, serving a folder as a web server would, the accessibility check."""

from __future__ import annotations

import contextlib
import functools
import gzip
import http.server
import os
import shutil
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TEXT = {".html", ".js", ".css", ".svg", ".json", ".txt"}


def find_chromium() -> str | None:
    """Path of a Chromium or Chrome: the variable CHROMIUM, or the first one installed."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")
    return os.environ.get("CHROMIUM") or next((path for n in names if (path := shutil.which(n))), None)


def no_browser(why: str):
    """Skip aloud where there is no browser; in CI that would hide a fault, so there it fails."""
    message = (
        f"NO BROWSER, pages and widgets are NOT TESTED: {why}. Install chromium, or set CHROMIUM to its path."
    )
    pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)


@functools.cache
def axe_source() -> str:
    """axe-core's script, from the Python package that carries it."""
    import axe_playwright_python

    return Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text(encoding="utf-8")


CONTRAST = {
    "runOnly": ["color-contrast"]
}  # the one rule that depends on the theme, and the one that takes long
BUT_CONTRAST = {"rules": {"color-contrast": {"enabled": False}}}


def axe_violations(tab, rules: dict | None = None) -> list[str]:
    """What axe-core finds wrong with the page: rule, help text, first places."""
    tab.evaluate(axe_source())
    found = tab.evaluate(
        "rules => axe.run({resultTypes: ['violations'], preload: false, ...rules}).then(r => r.violations)",
        rules or {},
    )
    return [
        f"{v['id']} ({v['help']}), {len(v['nodes'])} places: "
        + " | ".join(f"{n['target']} {n['html'][:140]} {n.get('any', [{}])[:1]}" for n in v["nodes"][:3])
        for v in found
    ]


class _Compressed(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        path = Path(self.translate_path(self.path))
        if path.is_dir():
            path /= "index.html"
        if not path.is_file():
            return self.send_error(404)
        body = path.read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(str(path)))
        if path.suffix in TEXT:
            body = gzip.compress(body, 6)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(body)
        return None


@contextlib.contextmanager
def serving(folder: Path):
    """Serve a folder on this machine only, compressed; yields the base address."""
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(_Compressed, directory=str(folder))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
