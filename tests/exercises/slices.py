"""The cells that a lesson's solutions need, and no others: so that all solutions can be tried without the training."""

from __future__ import annotations

import ast
from pathlib import Path

import nbformat


def _names(tree: ast.AST, kind: type) -> set[str]:
    if kind is ast.Store and isinstance(tree, ast.FunctionDef | ast.ClassDef):
        return {tree.name}
    found = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, kind)}
    if isinstance(tree, ast.FunctionDef):  # what it makes itself is not taken from outside
        found -= {a.arg for a in ast.walk(tree) if isinstance(a, ast.arg)}
    if kind is ast.Store:
        for n in ast.walk(tree):
            if isinstance(n, ast.FunctionDef | ast.ClassDef):
                found.add(n.name)
            elif isinstance(n, ast.Import | ast.ImportFrom):
                found |= {(a.asname or a.name).partition(".")[0] for a in n.names}
    return found


def _changes(tree: ast.AST) -> set[str]:
    """Names whose object a statement may change: `x[0] = 1`, `x.add(1)`, `x += 1`."""
    found = set()
    for n in ast.walk(tree):
        target = None
        if isinstance(n, ast.Subscript | ast.Attribute) and isinstance(n.ctx, ast.Store):
            target = n.value
        elif (
            isinstance(n, ast.Expr)
            and isinstance(n.value, ast.Call)
            and isinstance(n.value.func, ast.Attribute)
        ):
            target = n.value.func.value
        while isinstance(target, ast.Attribute | ast.Subscript):
            target = target.value
        if isinstance(target, ast.Name):
            found.add(target.id)
    return found


def statements(path: Path, tag: str = "solution") -> list[str]:
    """Pieces of code, in the lesson's order, that end in the checks of the cells with this tag."""
    cells = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    pieces: list[tuple[ast.stmt, bool]] = []
    for cell in cells:
        tags = set(cell.metadata.get("tags", []))
        if tags & {"solution", "claim"} - {tag}:
            continue
        try:
            body = ast.parse(cell.source).body
        except SyntaxError:
            continue
        if "exercise" in tags and tag != "exercise":  # what a stub gives beside the `...` may be needed
            body = [statement for statement in body if "rbh.check(" not in ast.unparse(statement)]
        pieces += [(statement, tag in tags) for statement in body]
    modules = {name for s, _ in pieces if isinstance(s, _IMPORT) for name in _names(s, ast.Store)}
    kept, wanted = [], set()
    for statement, asked in reversed(pieces):
        stored, changed = _names(statement, ast.Store), _changes(statement) - modules
        imports = isinstance(statement, _IMPORT)
        asks = asked and "rbh.check(" in ast.unparse(statement)
        if not (asks or imports or stored & wanted or changed & wanted):
            continue
        if isinstance(statement, ast.Assign | ast.FunctionDef | ast.ClassDef) and not changed & wanted:
            wanted -= stored if not isinstance(statement, ast.Assign) else _targets(statement)
        wanted |= _names(statement, ast.Load) - modules
        kept.append(ast.unparse(statement))
    return kept[::-1]


_IMPORT = ast.Import | ast.ImportFrom


def _targets(statement: ast.Assign) -> set[str]:
    return {n.id for t in statement.targets for n in ast.walk(t) if isinstance(n, ast.Name)}
