"""Do the tests notice a fault? Small faults are put into the package, one at a time: at least 90 % must be noticed.

`make mutants` draws 25 faults for each of five parts; `python tests/mutants.py layers --sample 50 --seed 1` others.
A fault is one change of a syntax tree: a comparison turned, + for -, a number off by one, a `not` removed, a returned
value dropped, a call left out. No file is written: torch and pandas are imported once, each fault gets a fork of that
process, and there the module is compiled from the changed tree. It is given the tests of its part that entered the
changed function when all was well (a first run finds out: _build/mutants), the quick ones first, up to a minute
of them, then those of the other parts. Whoever takes four times as long has noticed. What a process runs that a test
starts is not changed.

What survives is a missing test, or it is equivalent: tests/mutants.csv says for each such line and change why.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import copy
import csv
import gc
import importlib
import json
import os
import random
import resource
import signal
import sys
import time
from importlib.machinery import SourceFileLoader
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("data", "layers", "models", "training", "evaluation")
KEPT, KNOWN = ROOT / "_build" / "mutants", ROOT / "tests" / "mutants.csv"
SLOW = ("test_planted_learning.py",)  # minutes of training; what it sees, quicker tests must see

TURNED = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
    ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip
KEY = ("file", "source", "column", "change")  # names a fault as long as its line stays as it is
METHODS = {"sum": "mean", "mean": "sum", "max": "min", "min": "max", "all": "any", "any": "all"}


# --- faults ------------------------------------------------------------------------------------------------------


def changes(node: ast.AST):
    """The faults of one node: functions that make the change in place, or return a node for its place."""
    match node:
        case ast.Compare(ops=[op]) | ast.BinOp(op=op) | ast.AugAssign(op=op) | ast.BoolOp(op=op):
            if new := TURNED.get(type(op)):
                yield lambda n: setattr(
                    n, *(("ops", [new()]) if isinstance(n, ast.Compare) else ("op", new()))
                )
        case ast.UnaryOp(op=ast.Not() | ast.Invert() | ast.USub()):
            yield lambda n: n.operand
        case ast.Constant(value=bool(value)):
            yield lambda n: ast.Constant(not value)
        case ast.Constant(value=int(value)):
            yield lambda n: ast.Constant(value + 1)
            if value > 0:
                yield lambda n: ast.Constant(value - 1)
        case ast.Constant(value=float(value)):
            yield lambda n: ast.Constant(value * 2 if value else 1.0)
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            yield lambda n: ast.Return(ast.Constant(None))
        case ast.If(test=test) | ast.IfExp(test=test) if not isinstance(test, ast.Compare):
            yield lambda n: setattr(n, "test", ast.UnaryOp(ast.Not(), n.test))
        case ast.Expr(value=ast.Call()):
            yield lambda n: ast.Pass()
        case ast.Attribute(attr=attr) if attr in METHODS:
            yield lambda n: setattr(n, "attr", METHODS[attr])


def sites(tree: ast.Module) -> list[tuple[int, str]]:
    """(number of the node in `ast.walk`, function it stands in) of each fault, those of a node one after another."""
    skipped, inside = set(), {}

    def mark(node, of):
        for child in ast.iter_child_nodes(node):
            name = of
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                name = (f"{of[0]}.{child.name}".lstrip("."), of[1] or not isinstance(child, ast.ClassDef))
                name = of if of[1] else name  # a function in a function belongs to the outer one
            inside[child] = name
            mark(child, name)

    mark(tree, ("", False))
    for node in ast.walk(tree):
        # What is only said: annotations, messages of errors, text with values in it.
        said = [getattr(node, "annotation", None), getattr(node, "returns", None)]
        said += [node] if isinstance(node, ast.JoinedStr | ast.Raise | ast.Assert) else []
        said += [node] if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test) else []
        for part in filter(None, said):
            skipped.update(ast.walk(part))
    return [
        (number, inside[node][0] if inside[node][1] else "")
        for number, node in enumerate(ast.walk(tree))
        if node in inside and node not in skipped
        for _ in changes(node)
    ]


def mutant(path: Path, which: int) -> dict:
    """Fault number `which` of a file: `tree` is the changed one."""
    text = path.read_text(encoding="utf8")
    whole = ast.parse(text)
    found = sites(whole)
    number, function = found[which]
    tree = copy.deepcopy(whole)
    nodes = list(ast.walk(tree))
    node = nodes[number]
    before, line, column = ast.unparse(node).split("\n")[0], node.lineno, node.col_offset
    source = text.split("\n")[line - 1]
    new = list(changes(node))[which - found.index(found[which])](node)
    if new is not None:
        ast.copy_location(new, node)
        for parent in nodes:
            for name, value in ast.iter_fields(parent):
                if value is node:
                    setattr(parent, name, new)
                elif isinstance(value, list):
                    setattr(parent, name, [new if one is node else one for one in value])
    after = ast.unparse(node if new is None else new).split("\n")[0]
    ast.fix_missing_locations(tree)
    return {
        "file": path.relative_to(ROOT / "recbyhand").as_posix(),
        "line": line,
        "source": source.strip(),
        "column": len(source[:column].lstrip()) + 1,
        "change": f"{before} -> {after}",
        "function": function,
        "tree": tree,
        "path": path,
    }


# --- tests -------------------------------------------------------------------------------------------------------


class Watch:
    """A pytest plugin: which functions of the package each test enters, and how long it takes."""

    def __init__(self):
        self.entered, self.tests = set(), {}

    def trace(self, frame, event, argument):
        code = frame.f_code
        if "/recbyhand/" in code.co_filename and str(ROOT) in code.co_filename:
            file = code.co_filename.split("/recbyhand/")[1]
            self.entered.add(f"{file}:{code.co_qualname.split('.<locals>')[0]}")

    def pytest_runtest_setup(self, item):
        self.entered, self.begun = set(), time.process_time()
        sys.settrace(self.trace)

    def pytest_runtest_logreport(self, report):
        if report.when == "call" and report.passed:
            sys.settrace(None)
            seconds = time.process_time() - self.begun
            self.tests[report.nodeid] = {"seconds": round(seconds, 3), "entered": sorted(self.entered)}


class Only:
    """A pytest plugin: these tests, or all of these files, only."""

    def __init__(self, wanted):
        self.wanted = wanted

    def pytest_collection_modifyitems(self, items):
        items[:] = [i for i in items if i.nodeid in self.wanted or i.nodeid.split("::")[0] in self.wanted]


def forked(work, seconds: float) -> int:
    """What `work()` returns in a fork of this process; 99 when it takes longer, or ends otherwise."""
    child = os.fork()
    if not child:
        os.setsid()
        silent = os.open(os.environ.get("MUTANTS_LOG", os.devnull), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 1, int(seconds) + 2))
        os._exit(int(work()))
    end = time.monotonic() + 10 * seconds  # of the clock: what waits takes no processor
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 99
        time.sleep(0.05)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return 99


def pytest_main(words: list[str], plugin) -> int:
    import pytest

    # No cache and no second process; and no collection of all garbage at the end, which takes longer than most tests.
    without = ("cacheprovider", "xdist", "unraisableexception", "threadexception")
    off = [word for name in without for word in ("-p", f"no:{name}")]
    return pytest.main(["-q", "-x", *off, *words], plugins=[plugin])


def tests_of(part: str) -> dict[str, dict]:
    """Each test of a part, with what it enters: from the last run, if no file of the part or its tests is newer."""
    kept, folder = KEPT / f"{part}.json", ROOT / "tests" / part
    newest = max(
        f.stat().st_mtime for place in (folder, ROOT / "recbyhand" / part) for f in place.rglob("*.py")
    )
    if not kept.exists() or kept.stat().st_mtime < newest:
        files = [str(file) for file in sorted(folder.glob("test_*.py")) if file.name not in SLOW]

        def work():
            watch = Watch()
            done = pytest_main(files, watch)
            kept.parent.mkdir(parents=True, exist_ok=True)
            others = [
                m for m in sys.modules if m.split(".")[0] not in ("recbyhand", "tests", "conftest", "lessons")
            ]
            if not done:
                kept.write_text(json.dumps({"tests": watch.tests, "modules": others}))
            return done

        print(f"{part}: which tests enter which function", flush=True)
        if code := forked(work, 3600):
            sys.exit(f"tests/{part} must pass before a fault is put in (pytest: {code})")
    found = json.loads(kept.read_text())
    for module in found["modules"]:  # what the tests import of others: here once, not in every fork
        with contextlib.suppress(Exception):
            importlib.import_module(module)
    return found["tests"]


def chosen(mutant: dict, tests: dict[str, dict], enough: float) -> dict[str, float]:
    """The tests for a fault: those that enter its function (or, outside of one, its file), quick ones first."""
    where = f"{mutant['file']}:{mutant['function']}" if mutant["function"] else f"{mutant['file']}:"
    takes = {
        name: test["seconds"]
        for name, test in tests.items()
        if any(e == where if mutant["function"] else e.startswith(where) for e in test["entered"])
    }
    total, found = 0.0, {}
    for name, seconds in sorted(takes.items(), key=lambda pair: pair[1]):
        total += seconds
        if total < enough or not found:
            found[name] = seconds
    return found


def noticed(mutant: dict, wanted: dict[str, float]) -> bool:
    """Does one of these tests fail?"""
    if not wanted:
        return False
    real = SourceFileLoader.get_code

    def get_code(self, name):
        changed = Path(self.path) == mutant["path"]
        return compile(mutant["tree"], self.path, "exec") if changed else real(self, name)

    def work():
        SourceFileLoader.get_code = get_code
        files = sorted({str(ROOT / name.split("::")[0]) for name in wanted})
        return pytest_main(files, Only(wanted))

    return forked(work, 4 * sum(wanted.values()) + 30) != 0


def named(mutant: dict) -> str:
    return f"{mutant['file']}:{mutant['line']}:{mutant['column']}: {mutant['change']}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("parts", nargs="*", default=PARTS)
    parser.add_argument("--sample", type=int, default=25, help="faults a part")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--own", action="store_true", help="give a fault the tests of its own part only")
    parser.add_argument("--skip", type=int, default=0, help="so many of the sample")
    parser.add_argument("--seconds", type=float, default=60.0, help="of tests, for one fault")
    parser.add_argument(
        "--only", nargs="+", default=[], help="those whose 'file:line: change' begins like this"
    )
    parser.add_argument("--tests", nargs="+", default=[], help="give these files of tests, whole")
    given = parser.parse_args()
    os.chdir(ROOT)
    sys.path[:0] = [str(ROOT), str(ROOT / "book" / "_ext")]
    import hypothesis, matplotlib.pyplot, pandas, pytest, sklearn.metrics, torch, tqdm  # noqa: E401, F401, I001

    equivalent = set()
    if KNOWN.exists():
        with KNOWN.open(encoding="utf8") as file:
            equivalent = {tuple(row[key] for key in KEY) for row in csv.DictReader(file)}
    failed = False
    tests = {part: tests_of(part) for part in ([] if given.tests else given.parts if given.own else PARTS)}
    gc.freeze()
    for part in dict.fromkeys(one.split("/")[0] for one in given.only) or given.parts:
        others = {name: test for p in tests if p != part for name, test in tests[p].items()}
        files = sorted((ROOT / "recbyhand" / part).glob("*.py"))
        faults = [(f, n) for f in files for n in range(len(sites(ast.parse(f.read_text(encoding="utf8")))))]
        if given.only:
            faults = [(f, n) for f, n in faults if any(o.startswith(f"{part}/{f.name}:") for o in given.only)]
            drawn = [m for m in (mutant(*one) for one in faults) if named(m).startswith(tuple(given.only))]
        else:
            drawn = [mutant(*one) for one in random.Random(given.seed).sample(faults, given.sample)]
        counts = {"noticed": 0, "equivalent": 0, "survived": 0}
        for m in drawn[given.skip :]:
            begun = time.monotonic()
            if tuple(str(m[key]) for key in KEY) in equivalent:
                end = "equivalent"
            else:
                first = dict.fromkeys(given.tests, 30.0) or chosen(m, tests[part], given.seconds)
                seen = noticed(m, first) or noticed(m, chosen(m, others, given.seconds))
                end = "noticed" if seen else "survived"
            counts[end] += 1
            print(f"{end:10} {time.monotonic() - begun:5.1f} s  {named(m)}   [{m['source']}]", flush=True)
        share = counts["noticed"] / max(1, counts["noticed"] + counts["survived"])
        print(f"== {part}: {len(drawn)} of {len(faults)} faults, {counts}, {share:.0%} noticed", flush=True)
        failed |= share < 0.9
    sys.exit(failed)


if __name__ == "__main__":
    main()
