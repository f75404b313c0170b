"""Run lessons, each once, and remember what came out.

    python book/_ext/lessons.py                             # all lessons of the book
    python book/_ext/lessons.py chapters/01_mlp/features.ipynb

What a lesson printed and drew is kept in `_build/lessons/`, under a key made of everything the lesson depends on: its
own code, its own checks, the widgets and recorded tables that it names, the rest of the package, the pinned
requirements, Python's version, and which data are present. Any of these changes, and the lesson runs again; a change of
prose, or of another lesson's hint, is no reason to. Nor is a change of a practice (a cell tagged `practice`): it
depends on nothing that runs, and is written into the page when the page is made.
Time and peak memory of each run are written to `_build/lessons.csv`.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import platform
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

# jsonschema loads this where it is installed, which takes six seconds; nobody here asks it for an IRI.
sys.modules.setdefault("rfc3987_syntax", None)

ROOT = Path(__file__).resolve().parents[2]
KEPT = Path(os.environ.get("RECBYHAND_KEPT", ROOT / "_build" / "lessons"))
COST = ("seconds", "cpu_s", "peak_mb")
say = str  # translates the texts of practices; set by editions.py for a book in another language
CELL_LIMIT_S = 900  # a cell that takes this long hangs, even on a machine that others use as well


class LessonFailed(Exception):
    """A cell raised an error, or wrote to stderr without the tag `stderr-ok`."""


def data_folder() -> str | None:
    """Absolute path of the MovieLens copies: RECBYHAND_DATA, or ../shared/data where that exists."""
    given = os.environ.get("RECBYHAND_DATA")
    folder = Path(given).expanduser() if given else ROOT.parent / "shared" / "data"
    if not folder.is_absolute():
        folder = ROOT / folder
    return str(folder.resolve()) if given or folder.is_dir() else None


def set_environment() -> None:
    """What every lesson and every test sees: the data's absolute path, and no debugger's chatter."""
    if folder := data_folder():
        os.environ["RECBYHAND_DATA"] = folder
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    os.environ.setdefault("PYTHONHASHSEED", "0")
    os.environ.setdefault("RECBYHAND_PROGRESS", "off")  # building the book is not learning
    # Two threads that wait for each other on busy cores cost ten times what they save at these sizes.
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def pages() -> list[Path]:
    """Every source of a page, notebooks and Markdown, in the order of `_toc.yml`."""
    import yaml

    def files(entry):
        if isinstance(entry, dict):
            yield from (entry[k] for k in ("root", "file") if k in entry)
            for name in ("parts", "chapters", "sections", "subtrees", "entries"):
                for child in entry.get(name, ()):
                    yield from files(child)

    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf8"))
    stems = [ROOT / name.removesuffix(".ipynb").removesuffix(".md") for name in files(toc)]
    both = [stem.with_name(stem.name + suffix) for stem in stems for suffix in (".ipynb", ".md")]
    return [path for path in both if path.is_file()]


def listed() -> list[Path]:
    """The lessons in the order of `_toc.yml`."""
    return [path for path in pages() if path.suffix == ".ipynb"]


def prose(path: Path) -> str:
    """The Markdown of a page's source: of a notebook, its Markdown cells."""
    if path.suffix == ".md":
        return path.read_text(encoding="utf8")
    return "\n\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")


def _data_present() -> list[str]:
    """Names and sizes of the data files a lesson could read: the given folder's, then the user's cache."""
    import pooch

    folders = [data_folder(), str(pooch.os_cache("recbyhand"))]
    found = []
    for number, folder in enumerate(folders):
        for path in sorted(Path(folder).rglob("*")) if folder and Path(folder).is_dir() else ():
            if path.is_file():
                found.append(f"{number} {path.relative_to(folder).as_posix()} {path.stat().st_size}")
    return found


@cache
def _library() -> str:
    """A hash of what every lesson depends on: the package without checks and widgets, versions, data."""
    digest, package = hashlib.sha256(), ROOT / "recbyhand"
    apart = {package / "exercises", package / "widgets"}
    for path in [ROOT / "requirements.txt", *sorted(package.rglob("*"))]:
        if path.is_file() and "__pycache__" not in path.parts and not apart & set(path.parents):
            digest.update(f"{path.relative_to(ROOT).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    for line in (platform.python_version(), sys.platform, *_data_present()):
        digest.update(line.encode() + b"\0")
    return digest.hexdigest()


def read(path: Path):
    """The notebook, as nbformat's NotebookNode."""
    import nbformat

    return nbformat.read(path, as_version=4)


def kept_cells(cells: list) -> list:
    """The code cells whose outputs are kept: all but practices."""
    return [c for c in cells if c["cell_type"] == "code" and not is_practice(c)]


def is_practice(cell) -> bool:
    return "practice" in cell["metadata"].get("tags", ())


def practice_output(source: str) -> list[dict]:
    """What a practice's cell shows in a page."""
    from recbyhand.exercises import practices

    shown = practices.on_a_page(re.search(r"""practice\(["']([\w-]+)["']\)""", source)[1], say)
    return [{"output_type": "display_data", "metadata": {}, "data": {"text/html": shown}}]


def key(path: Path) -> str:
    """The hash under which a lesson's outputs are kept."""
    cells = [(c.source, sorted(c.metadata.get("tags", []))) for c in kept_cells(read(path).cells)]
    digest = hashlib.sha256(_library().encode() + json.dumps(cells).encode())
    for file in sorted(_own_files(path, "\n".join(source for source, _ in cells))):
        digest.update(f"{file.relative_to(ROOT).as_posix()}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()


def _own_files(path: Path, code: str) -> set[Path]:
    """What a lesson depends on beside the library: its checks, the widgets, tables and neighbours that it names."""
    words = {word.lower() for word in re.findall(r"\w+", code)}
    beside = {
        p for p in path.parent.iterdir() if p.suffix in {".py", ".csv", ".json"} and p.stem.lower() in words
    }
    results = ROOT / "benchmarks" / "results"  # rbh.recorded("interest/din")
    named = {results / f"{name}.csv" for name in re.findall(r"""["']([\w/]+)["']""", code)}
    chapter = path.parent.name.partition("_")[2]  # 04_interest: recbyhand/exercises/interest/
    own = (f"{chapter}/{path.stem}.py", "engine.py", "quizzes.py")
    checks = {ROOT / "recbyhand" / "exercises" / name for name in own}
    widgets: set[Path] = set()
    if "widgets" in words:  # the shared modules, and every widget whose class is named
        folder = ROOT / "recbyhand" / "widgets"
        of = {p: p.stem.replace("_", "") for p in folder.iterdir() if p.suffix in {".py", ".js"}}
        alone = {stem for stem in of.values() if list(of.values()).count(stem) == 1}
        named_or_shared = {p for p, stem in of.items() if stem in words | alone and stem != "init"}
        widgets = {p for p in named_or_shared if p.suffix == ".py"}  # scripts: see widget_sources.py
    return {p for p in beside | named | checks | widgets if p.is_file()}


def _kept(path: Path) -> Path:
    return KEPT / path.resolve().relative_to(ROOT).with_suffix(".json")


def outputs(path: Path) -> dict:
    """What the lesson gave: `{"outputs": [per code cell], "seconds", "cpu_s", "peak_mb", "ran"}`; may run it."""
    kept, wanted = _kept(path), key(path)
    if kept.is_file():
        record = json.loads(kept.read_text(encoding="utf8"))
        if record["key"] == wanted and "cpu_s" in record:
            return {**record, "ran": False}
    record = {"key": wanted, **_run(path)}
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.with_suffix(".part").write_text(json.dumps(record), encoding="utf8")
    kept.with_suffix(".part").replace(kept)
    return {**record, "ran": True}


def _cost(pid: int) -> tuple[float, float]:
    """Processor seconds and highest resident memory (MiB) of the kernel's process so far."""
    import psutil

    times = psutil.Process(pid).cpu_times()
    return times.user + times.system, _peak_mb(pid)


def _peak_mb(pid: int) -> float:
    import psutil

    try:
        status = Path(f"/proc/{pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024
    except (OSError, TypeError):
        info = psutil.Process(pid).memory_info()
        return getattr(info, "peak_wset", info.rss) / 2**20


def joined(outputs: list) -> list:
    """Prints that follow each other as one output: in how many pieces they arrive is chance."""
    whole: list = []
    for output in outputs:
        name = output.get("name")
        if name and whole and whole[-1].get("name") == name:
            whole[-1]["text"] += output["text"]
        else:
            whole.append(output)
    return whole


def _run(path: Path) -> dict:
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    set_environment()
    notebook, name = read(path), path.resolve().relative_to(ROOT).as_posix()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    client = NotebookClient(
        notebook,
        timeout=CELL_LIMIT_S,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        extra_arguments=["--IPKernelApp.log_level=40"],  # its remarks on transport are not the lesson's
    )
    begun, number = time.perf_counter(), 0
    with client.setup_kernel():
        for index, cell in enumerate(notebook.cells):
            number += cell.cell_type == "code"
            where = f"{name}, code cell {number}"
            try:
                client.execute_cell(cell, index)
            except CellExecutionError as error:
                text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
                raise LessonFailed(f"{where}: {error.ename}: {error.evalue}\n{text}") from None
            except (CellTimeoutError, DeadKernelError) as error:
                raise LessonFailed(f"{where}: {error}\n{cell.source}") from None
            if cell.cell_type == "code":
                cell.outputs = joined(cell.outputs)
            for output in cell.get("outputs", ()):
                if output.get("name") == "stderr" and "stderr-ok" not in cell.metadata.get("tags", ()):
                    raise LessonFailed(
                        f"{where} wrote to stderr:\n{output.text}\n--- the cell:\n{cell.source}"
                    )
        seconds = time.perf_counter() - begun
        busy, peak = _cost(client.km.provisioner.process.pid)
    given = json.loads(nbformat.writes(notebook))["cells"]
    cells = [cell.get("outputs", []) for cell in kept_cells(given)]
    return {"outputs": cells, "seconds": round(seconds, 1), "cpu_s": round(busy, 1), "peak_mb": round(peak)}


def with_outputs(path: Path, text: str, record: dict | None) -> str:
    """The source text of the notebook with the kept outputs put in; with None, as it is."""
    notebook = json.loads(text)
    notebook["metadata"]["language_info"] = {"name": "python", "pygments_lexer": "ipython3"}
    code = kept_cells(notebook["cells"])
    kept = record["outputs"] if record else [[]] * len(code)
    for number, (cell, given) in enumerate(zip(code, kept, strict=True), start=1):
        cell["outputs"], cell["execution_count"] = given, number
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code" and is_practice(cell):
            cell["outputs"], cell["execution_count"] = practice_output("".join(cell["source"])), None
    return json.dumps(notebook)


def run_all(paths: list[Path]) -> bool:
    """Run what must be run, print a table, write `_build/lessons.csv`; False if a lesson failed."""

    def attempt(path: Path) -> dict:
        try:
            return outputs(path)
        except LessonFailed as error:
            return {"failed": str(error)}

    rows, failed = [], []
    # A lesson computes on one thread, in a process of its own: so as many at a time as there are cores, up to four.
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for path, record in zip(paths, pool.map(attempt, paths)):
            name = path.resolve().relative_to(ROOT).with_suffix("").as_posix()
            if "failed" in record:
                failed.append(record["failed"])
                print(f"  {name:<48} FAILED", flush=True)
                continue
            how, cost = "ran" if record["ran"] else "kept", [record[column] for column in COST]
            print(
                f"  {name:<44} {cost[0]:>6.1f} s {cost[1]:>6.1f} s of CPU {cost[2]:>6} MB  {how}", flush=True
            )
            rows.append((name, *cost))
    if set(paths) >= set(listed()):
        (ROOT / "_build").mkdir(exist_ok=True)
        with open(ROOT / "_build" / "lessons.csv", "w", newline="", encoding="utf8") as file:
            csv.writer(file).writerows([("lesson", *COST), *rows])
    for text in failed:
        print(f"\n{'=' * 100}\nLESSON FAILED: {text}", file=sys.stderr)
    return not failed


def main() -> int:
    paths = [Path(argument).resolve() for argument in sys.argv[1:]] or listed()
    return 0 if run_all(paths) else 1


if __name__ == "__main__":
    sys.exit(main())
