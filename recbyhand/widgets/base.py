"""What every living widget shares on the Python side: traits, the static page, the fall-back drawing."""

from __future__ import annotations

import base64
import functools
import hashlib
import html
import inspect
import json
import re
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path

import anywidget
import numpy as np
import traitlets

from recbyhand.widgets import svg

IMPORT = re.compile(r'^import\s*\{[^}]*\}\s*from\s*"\./(\w+\.js)";?\n', re.M)

# Finds the module's sources in the page, joins them into one module (once, however many widgets use it)
# and hands this widget over. Sources may come later in the page than the widget, never not at all.
MOUNT = """
(() => {
  const root = document.currentScript.parentElement, names = root.dataset.modules.split(" ");
  const source = (name) => document.querySelector(`script[data-rbh-module="${name}"]`)?.textContent;
  const go = async () => {
    try {
      const loaded = (window.rbhModules ??= {}), key = root.dataset.modules;
      loaded[key] ??= import(URL.createObjectURL(new Blob(names.map(source), { type: "text/javascript" })));
      const module = await loaded[key];
      module.mount(root, module.default);
    } catch (error) {
      console.error("This widget stays a picture:", error);
    }
  };
  names.every(source) ? go() : addEventListener("DOMContentLoaded", go);
})();
"""

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>
:root {{ color-scheme: light dark; }}
h1 {{ position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden; }}
body {{ margin: 0 auto; padding: 8px 16px; max-width: 960px; font-family: system-ui, sans-serif; }}
@media (prefers-color-scheme: dark) {{ body {{ background: #121212; color: #e4e7ea; }} }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
{body}
</main>
</body>
</html>
"""


@functools.cache
def _module(path: Path) -> tuple[str, str]:
    """Name (with a hash of the content) and source of one JavaScript file, its imports of others taken out."""
    source = IMPORT.sub("", path.read_text(encoding="utf-8"))
    return f"{path.stem}-{hashlib.sha256(source.encode()).hexdigest()[:10]}", source + "\n"


def modules(path: Path, before: tuple[Path, ...] = ()) -> tuple[Path, ...]:
    """A JavaScript file and those that it imports, each once, after what it imports itself."""
    for name in IMPORT.findall(path.read_text(encoding="utf-8")):
        if (other := path.with_name(name)) not in before:
            before = modules(other, before)
    return (*before, path)


def floats(values, needs: str) -> np.ndarray:
    """A list, an array or a tensor of numbers as a float32 array; else `TraitError`, which says `needs`."""
    if hasattr(values, "detach"):
        values = values.detach().cpu().float().numpy()
    try:
        return np.array(values, dtype=np.float32)
    except (TypeError, ValueError):
        got = f"{type(values).__name__}: {str(values)[:60]}"
        raise traitlets.TraitError(f"{needs}, all rows of one length; got {got}") from None


class Floats(traitlets.TraitType):
    """Finite or not, an array of numbers: give a list, a NumPy array or a tensor; read a float32 array.

    Up to a thousand values travel as a list, more of them (or NaN, which JSON lacks) as bytes.
    """

    def __init__(self, default=(), *, ndim: int = 1, **kwargs):
        self.ndim = ndim
        self.info_text = f"an array of numbers with {ndim} ax{'is' if ndim == 1 else 'es'}"
        super().__init__(
            default_value=np.zeros((0,) * ndim, np.float32) if len(default) == 0 else default, **kwargs
        )
        self.tag(sync=True, to_json=self._pack, from_json=self._unpack)

    def validate(self, owner, value) -> np.ndarray:
        array = floats(value, f"{self.name} needs {self.info_text}")
        if array.size == 0:
            array = array.reshape((0,) * self.ndim) if array.ndim != self.ndim else array
        if array.ndim != self.ndim:
            raise traitlets.TraitError(f"{self.name} needs {self.info_text}; got shape {array.shape}")
        array.setflags(write=False)
        return array

    @staticmethod
    def _pack(array: np.ndarray, _widget) -> dict:
        if array.size <= 1000 and np.isfinite(array).all():
            data = [float(str(x)) for x in array.ravel()]  # the shortest text: 0.1, not 0.10000000149
        else:
            data = memoryview(np.ascontiguousarray(array, "<f4").tobytes())
        return {"shape": list(array.shape), "data": data}

    @staticmethod
    def _unpack(value, _widget) -> np.ndarray:
        data = value["data"]
        sent_as_bytes = isinstance(data, (bytes, memoryview))
        flat = np.frombuffer(data, "<f4") if sent_as_bytes else np.array(data, np.float32)
        return flat.reshape(value["shape"])


def number(default: float, low: float, high: float, text: str) -> traitlets.Float:
    """A synchronised number within [low, high]."""
    return traitlets.Float(default, min=low, max=high, help=text).tag(sync=True)


class Widget(anywidget.AnyWidget):
    """A drawing that lives in the notebook, and in the rendered page without a kernel.

    A subclass stands beside a JavaScript file of its own name, declares its traits with `sync=True`, and gives
    `label` (what it is), `describe()` (one sentence: the text alternative), `problem()` (why there is nothing to draw)
    and `static()` (an SVG fall-back).
    """

    label = "Widget"
    title = traitlets.Unicode("", help="A line above the drawing.").tag(sync=True)

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        own = Path(inspect.getfile(cls)).with_suffix(".js")
        # traitlets derives a class of the same file for each instance: there _esm is a trait already.
        if own.is_file() and own not in getattr(cls, "_sources", ()):
            cls._sources = modules(own)
            cls._esm = "".join(_module(path)[1] for path in cls._sources)

    def problem(self) -> str:
        """Why nothing can be drawn, in the picture's own words; empty if something can."""
        return ""

    def describe(self) -> str:
        """One sentence that says what the drawing shows, or why it shows nothing."""
        return f"{self.label}. {self.problem() or self.title}".strip()

    def nothing(self) -> str:
        """The drawing that stands where `problem()` says why there is none."""
        lines = textwrap.wrap(self.problem(), 62)
        marks = [svg.text(10, 30 + 18 * i, words) for i, words in enumerate(lines)]
        return svg.drawing(420, 48 + 18 * len(lines), marks, self.describe())

    def static(self) -> str:
        """The drawing as SVG, for readers without JavaScript and for print."""
        raise NotImplementedError

    def state(self) -> dict:
        """The traits that the browser sees, as they are sent to it."""
        own = [c for c in type(self).__mro__ if issubclass(c, Widget)]
        names = [
            n for n, t in self.traits(sync=True).items() if t.this_class in own and not n.startswith("_")
        ]
        return {name: self.get_state(name)[name] for name in names}

    def html(self, sources: bool = True) -> str:
        """The widget as part of a page: static drawing, state, source (if asked) and the mount."""
        modules = [_module(path) for path in self._sources]

        def plain(value):
            return {"base64": base64.b64encode(value).decode()}

        # Escaping every "<" keeps any title from ending the script or opening a comment.
        state = json.dumps(self.state(), default=plain, allow_nan=False, ensure_ascii=False).replace(
            "<", "\\u003c"
        )
        scripts = "".join(
            f'<script type="text/plain" data-rbh-module="{name}">{source}</script>'
            for name, source in modules
        )
        return (
            f"{scripts if sources else ''}"
            f'<div class="rbh-widget" data-modules="{" ".join(name for name, _ in modules)}">'
            f'<div class="rbh-static" style="max-width:100%;overflow-x:auto">{self.static()}</div>'
            f'<script type="application/json">{state}</script>'
            f"<script>{MOUNT}</script></div>"
        )

    def to_html(self, path: str | Path) -> Path:
        """Save a page of its own, for slides or a mail: one file, no network. Returns its path."""
        return page([self], path, title=self.title or self.label)

    def __repr__(self) -> str:
        return f"{type(self).__name__}: {self.describe()}"

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return None
        data, metadata = bundle
        # Colab shows every form of an output it knows; elsewhere the view outranks the page's HTML.
        if "google.colab" not in sys.modules:
            data["text/html"] = self.html()
        return data, metadata


def page(widgets: Iterable[Widget], path: str | Path, title: str = "Living widgets") -> Path:
    """Save several widgets as one self-contained page, each module's source once."""
    body, seen = [], set()
    for widget in widgets:
        body.append(unique_sources(widget.html(), seen))
    path = Path(path)
    path.write_text(PAGE.format(title=html.escape(title), body="\n".join(body)), encoding="utf-8")
    return path


_SOURCE = re.compile(r'<script type="text/plain" data-rbh-module="([\w-]+)">.*?</script>', re.S)


def unique_sources(text: str, seen: set[str] | None = None) -> str:
    """Leave each module's source once in a page: every output brings its own, so that cells may be rerun,
    hidden or moved; the book's build calls this on the finished page."""
    seen = set() if seen is None else seen

    def once(match: re.Match) -> str:
        first = match[1] not in seen
        seen.add(match[1])
        return match[0] if first else ""

    return _SOURCE.sub(once, text)
