"""The shapes in a model's `forward`, line by line, as formulas in B, L, d: found by running it at several sizes."""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import itertools
import random
import sys
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from recbyhand.data.batch import Batch, Field, Schema
from recbyhand.data.toy import toy, toy_schema
from recbyhand.models.base import Recommender

MOST_TENSORS = 6  # of one tuple or dictionary

# An axis is a sum of terms [coefficient, letters], [[1, ["L"]], [1, []]] = L + 1; or, where no formula fits, a number.
Axis = list | int


# ---- the source, statement by statement --------------------------------------------------------------------


@dataclasses.dataclass
class Row:
    """One statement: its lines, the names that it assigns, and its calls in the order they are made."""

    first: int
    last: int
    names: tuple[str, ...] = ()
    calls: tuple[tuple[str, str], ...] = ()  # (what is called, the whole call)


def _inside(node: ast.AST) -> Iterator[ast.AST]:
    """Every expression node of this scope, operands before what uses them."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            yield from _inside(child)
    yield node


class Function:
    """A method's source without its docstring, cut into rows."""

    def __init__(self, function):
        lines, self.start = inspect.getsourcelines(function)
        self.lines = textwrap.dedent("".join(lines)).splitlines()
        node = ast.parse("\n".join(self.lines)).body[0]
        self.name = node.name
        self.parameters = function.__code__.co_varnames[1 : function.__code__.co_argcount]
        body = node.body
        docstring = body[0] if ast.get_docstring(node, clean=False) is not None else None
        self.attributes = {  # batch.user and the like
            (n.value.id, n.attr): None
            for n in ast.walk(node)
            if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name)
        }
        self.rows = [Row(node.lineno, body[0].lineno - 1)]
        self._cut(body[1:] if docstring else body)
        known = {n for row in self.rows for n in range(row.first, row.last + 1)}
        hidden = range(docstring.lineno, docstring.end_lineno + 1) if docstring else ()
        loose = [n for n in range(node.lineno, node.end_lineno + 1) if n not in known and n not in hidden]
        self.rows += [Row(n, n) for n in loose if self.lines[n - 1].strip()]  # else:, comments
        self.rows.sort(key=lambda row: row.first)
        self._at = {n: i for i, row in enumerate(self.rows) for n in range(row.first, row.last + 1)}

    def _cut(self, body: list[ast.stmt]):
        for statement in body:
            blocks = [getattr(statement, part, None) or [] for part in ("body", "orelse", "finalbody")]
            blocks += [
                h.body for h in [*getattr(statement, "handlers", []), *getattr(statement, "cases", [])]
            ]
            blocks = [block for block in blocks if block]
            nested = isinstance(statement, ast.FunctionDef | ast.ClassDef)
            if nested or not blocks or blocks[0][0].lineno == statement.lineno:
                last, nodes = statement.end_lineno, () if nested else (statement,)
            else:
                last = blocks[0][0].lineno - 1
                parts = ("test", "target", "iter", "items", "subject")  # of if, for, while, with, match
                heads = [getattr(statement, part, None) or [] for part in parts]
                nodes = [n for head in heads for n in (head if isinstance(head, list) else [head])]
                for block in blocks:
                    self._cut(block)
            found = [n for node in nodes for n in _inside(node)]
            stored = [n for n in found if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
            names = [n.id for n in stored if n.id != "_"]
            calls = [(ast.unparse(n.func), ast.unparse(n)) for n in found if isinstance(n, ast.Call)]
            self.rows.append(Row(statement.lineno, last, tuple(dict.fromkeys(names)), tuple(calls)))

    def row(self, line: int) -> int:
        """The row that holds this line of the file."""
        return self._at.get(line - self.start + 1, 0)

    def text(self, row: int) -> str:
        return "\n".join(self.lines[self.rows[row].first - 1 : self.rows[row].last])

    def number(self, row: int) -> int:
        """The line of the file where this row begins."""
        return self.start + self.rows[row].first - 1


def own_functions(model: nn.Module) -> dict:
    """Code object -> function, for the methods that the model's own classes define."""
    found = {}
    for cls in type(model).__mro__:
        if not issubclass(cls, nn.Module) or cls in (nn.Module, Recommender):
            continue
        for name, thing in vars(cls).items():
            thing = inspect.unwrap(thing) if inspect.isfunction(thing) else None
            if thing is not None and not name.startswith("__") and thing.__code__.co_argcount:
                found[thing.__code__] = thing
    return found


# ---- one run ---------------------------------------------------------------------------------------------


def tensors(value: Any) -> list[tuple[str, Tensor, int | None]]:
    """The tensors in a value: (index, tensor, None); a list of equal shapes is one tensor, with their number."""
    if isinstance(value, Tensor):
        return [("", value, None)]
    if isinstance(value, list) and len(value) > 1 and all(isinstance(v, Tensor) for v in value):
        if len({v.shape for v in value}) == 1:
            return [("", value[0], len(value))]
    if isinstance(value, list | tuple):
        pairs = [(f"[{i}]", v) for i, v in enumerate(value)]
    elif isinstance(value, Mapping):
        pairs = [(f"[{key!r}]", v) for key, v in value.items()]
    else:
        return []
    return [(at + more, t, n) for at, v in pairs[:MOST_TENSORS] for more, t, n in tensors(v)][:MOST_TENSORS]


def entry(kind: str, name: str, tensor: Tensor, count: int | None = None, call: int | None = None) -> dict:
    group = "bool" if tensor.dtype == torch.bool else "float" if tensor.dtype.is_floating_point else "int"
    shape = tuple(tensor.shape)
    return {"kind": kind, "name": name, "type": group, "shape": shape, "count": count, "call": call}


class Recorder:
    """A trace function that notes, for each row of the model's own methods, the tensors of its first passing.

    `steps`: (code, row) -> {"calls": texts of the calls that were seen, "entries": tensors}, in the order in which the
    rows were completed. An entry has a kind: "input" (of the method), "from" and "to" (of a call), "value" (a name
    assigned), "return". `varies` holds the rows whose shapes differed in a later passing.
    """

    def __init__(self, model: nn.Module):
        self.model, self.functions = model, own_functions(model)
        self.modules = {id(m): _dotted(name) for name, m in model.named_modules() if name}
        self.sources, self.steps, self.passed, self.varies, self.active = {}, {}, set(), set(), {}

    def run(self, batch: Batch) -> Tensor:
        """The model's answer. A debugger's or coverage's own trace function comes back afterwards."""
        before = sys.gettrace()
        sys.settrace(self._call)
        try:
            with torch.no_grad():
                return self.model(batch)
        finally:
            sys.settrace(before)

    def source(self, code) -> Function:
        if code not in self.sources:
            self.sources[code] = Function(self.functions[code])
        return self.sources[code]

    def _call(self, frame, event, arg):
        code = frame.f_code
        if code in self.functions and frame.f_locals.get(code.co_varnames[0]) is self.model:
            source = self.source(code)
            self.active[frame] = {"row": None, "calls": [], "entries": [], "seen": {}, "names": {}}
            self._header(frame, source)
            return functools.partial(self._line, source)
        caller = frame.f_back
        while caller is not None and caller.f_code.co_filename == _MODULE_FILE:
            caller = caller.f_back
        if caller in self.active and code.co_filename != _MODULE_FILE:
            return self._nested(frame, caller)
        return None

    def _header(self, frame, source: Function):
        found = []
        for name in source.parameters:
            value = frame.f_locals[name]
            if dataclasses.is_dataclass(value):
                used = [a for owner, a in source.attributes if owner == name]
                found += [(f"{name}.{a}", getattr(value, a)) for a in used if hasattr(value, a)]
            else:
                found.append((name, value))
        entries = [entry("input", name + at, t, n) for name, v in found for at, t, n in tensors(v)]
        self._keep(frame, 0, [], entries)

    def _line(self, source: Function, frame, event, arg):
        state = self.active[frame]
        if event == "line":
            row = source.row(frame.f_lineno)
            if row != state["row"]:
                self._finish(frame, source)
                state |= {"row": row, "calls": [], "entries": [], "seen": {}}
                self.passed.add((frame.f_code, row))
        elif event == "return":
            self._finish(frame, source)
            found = [entry("return", f"return{at}", t, n) for at, t, n in tensors(arg)]
            if found:
                self._keep(frame, state["row"], [], found)
            del self.active[frame]
        return functools.partial(self._line, source)

    def _finish(self, frame, source: Function):
        """A row is complete: note the names that it assigned."""
        state = self.active[frame]
        if state["row"] is None:
            return
        made = {id(t): e for e, t in state["entries"] if e["kind"] == "to"}
        values = []
        for name in source.rows[state["row"]].names:
            for at, tensor, count in tensors(frame.f_locals.get(name)):
                values.append(entry("value", name + at, tensor, count))
                if id(tensor) in made:
                    made[id(tensor)]["name"] = name + at
        self._keep(frame, state["row"], state["calls"], [e for e, _ in state["entries"]] + values)

    def _keep(self, frame, row: int, calls: list[str], entries: list[dict]):
        key = (frame.f_code, row)
        old = self.steps.get(key)
        returns = bool(entries) and entries[0]["kind"] == "return"
        if old is None:
            if entries:
                self.steps[key] = {"calls": list(calls), "entries": list(entries)}
        elif returns and not any(e["kind"] == "return" for e in old["entries"]):
            old["entries"] += entries
        else:
            new = {(e["kind"], e["name"], e["call"]): e["shape"] for e in entries}
            if any(
                new.get((e["kind"], e["name"], e["call"]), e["shape"]) != e["shape"] for e in old["entries"]
            ):
                self.varies.add(key)

    def _nested(self, frame, caller):
        """A function or module that a row calls: which call of the row it is, what goes in and what comes out."""
        state, code = self.active[caller], frame.f_code
        source = self.source(caller.f_code)
        if state["row"] is None:
            return None
        owner = frame.f_locals.get(code.co_varnames[0]) if code.co_varnames else None
        if isinstance(owner, nn.Module) and code.co_name == "forward":
            wanted, skip = self.modules.get(id(owner)), 1

            def same(text: str) -> bool:
                return text == wanted or caller.f_locals.get(text) is owner
        else:
            skip = int(owner is not None and code.co_varnames[0] == "self")

            def same(text: str) -> bool:
                return text.rpartition(".")[2] == code.co_name

        matching = [whole for text, whole in source.rows[state["row"]].calls if same(text)]
        nth = state["seen"][code, id(owner)] = state["seen"].get((code, id(owner)), -1) + 1
        if nth >= len(matching):
            return None
        arguments = code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & inspect.CO_VARARGS)
        given = [frame.f_locals.get(name) for name in code.co_varnames[skip:arguments]]
        names = {id(v): k for k, v in caller.f_locals.items() if isinstance(v, Tensor)}
        for owner_name, attribute in source.attributes:
            value = getattr(caller.f_locals.get(owner_name), attribute, None)
            if isinstance(value, Tensor):
                names.setdefault(id(value), f"{owner_name}.{attribute}")
        inputs = [(t, n) for value in given for _, t, n in tensors(value)][:MOST_TENSORS]
        inputs = [(names.get(id(t), ""), t, n) for t, n in inputs]  # named before the row assigns anything

        def finish(frame, event, arg):
            if event == "return":
                made = tensors(arg)
                if made:
                    call = len(state["calls"])
                    state["calls"].append(matching[nth])
                    state["entries"] += [(entry("from", name, t, n, call), t) for name, t, n in inputs]
                    state["entries"] += [(entry("to", at, t, n, call), t) for at, t, n in made]
            return finish

        frame.f_trace_lines = False
        return finish


_MODULE_FILE = nn.Module._call_impl.__code__.co_filename


def _dotted(name: str) -> str:
    """A module's name as the code of its model writes it: towers.0 -> self.towers[0]."""
    return "self" + "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in name.split("."))


# ---- sizes -------------------------------------------------------------------------------------------------


def small_schema() -> Schema:
    """Two user features, two item features (one with several values), histories of 20."""
    users, items = (Field("gender", 4), Field("age", 6)), (Field("year", 7), Field("genres", 9, 3))
    return _schema(users, items, 20, 20, 30, random.Random(0))


def _schema(users, items, history: int, n_users: int, n_items: int, chance: random.Random) -> Schema:
    def table(rows: int, fields) -> Tensor:
        """Row 0 is padding, row 1 unknown; the values of a field are distinct, zeros after them."""
        ids = torch.zeros(rows, sum(f.width for f in fields), dtype=torch.long)
        for row, start in itertools.product(range(1, rows), range(len(fields))):
            field, left = fields[start], sum(f.width for f in fields[:start])
            values = chance.sample(range(2, field.size), chance.randint(1, min(field.width, field.size - 2)))
            for k, value in enumerate(values if row > 1 else [1]):
                ids[row, left + k] = value
        return ids

    fields = {"user_fields": users, "item_fields": items}
    tables = {"user_table": table(n_users, users), "item_table": table(n_items, items)}
    return toy_schema(**fields, **tables, history=history)


def _batch(schema: Schema, B: int, chance: random.Random) -> Batch:
    return toy(B, schema, seed=chance.randrange(10**6))


PRIMES = (5, 7, 11, 13, 17, 19, 23, 29, 31, 37)
HEADS = ("heads", "n_heads", "num_heads")
# Settings that are no sizes, or would be mistaken for another letter.
TAKEN = ("dim", "seed", "B", "L", "d", "H", "F", "C", "P", "users", "items", "F_user", "F_item")
MORE_IDS, MORE_FIELDS = "more ids", "more fields"  # 1 where a run has other vocabularies, or more fields
RUNS = 9  # sizes beyond the first; four unknowns at most are solved for, so that each formula is checked five times


class Family:
    """One model at many sizes: its class, its settings, the fields of its schema.

    A size is a dictionary of letters: B, L, d; extra fields of user and item; vocabularies; whole-number settings.
    """

    def __init__(self, cls: type[Recommender], settings: dict, schema: Schema):
        self.cls, self.settings, self.schema = cls, settings, schema

    def knobs(self) -> dict[str, int]:
        """The letters that may move, and where they stand."""
        named = {k: v for k, v in self.settings.items() if type(v) is int and v > 0 and k not in TAKEN}
        heads = next((name for name in HEADS if name in named), None)
        settings = {"H" if name == heads else name: value for name, value in named.items()}
        d = {"d": self.settings["dim"]} if type(self.settings.get("dim")) is int else {}
        return {"B": 0, "L": self.schema.history, **d, MORE_IDS: 0, MORE_FIELDS: 0, **settings}

    def record(self, size: Mapping[str, int], seed: int = 0) -> tuple[Recorder, dict[str, int]]:
        """A run at this size -> what was seen, and the value of every letter a formula may use."""
        chance = random.Random(seed)
        old = self.schema

        def small(fields):
            return [Field(f.name, max(3, min(f.size, 5)), f.width) for f in fields]

        extra = [
            [Field(f"extra {side} {i}", 5, chance.randint(1, 3)) for i in range(chance.randint(1, 5))]
            for side in ("user", "item")
            if size.get(MORE_FIELDS)
        ] or [[], []]
        users, items = small(old.user_fields) + extra[0], small(old.item_fields) + extra[1]
        n_users = chance.choice(PRIMES) + 20 if size.get(MORE_IDS) else 20
        n_items = chance.choice(PRIMES) + 60 if size.get(MORE_IDS) else 60
        schema = _schema(users, items, size["L"], n_users, n_items, chance)
        settings = dict(self.settings)
        for letter, value in size.items():
            name = {"d": "dim", "H": next((n for n in HEADS if n in settings), None)}.get(letter, letter)
            if name in settings:
                settings[name] = value
        model = self.cls(schema, **settings).eval()
        recorder = Recorder(model)
        recorder.run(_batch(schema, size["B"], chance))
        return recorder, self.letters(size, schema)

    def letters(self, size: Mapping[str, int], schema: Schema) -> dict[str, int]:
        F = len(schema.fields)
        own = {k: v for k, v in size.items() if k not in (MORE_IDS, MORE_FIELDS)}
        derived = {"d/H": size["d"] // size["H"]} if "H" in size and "d" in size else {}
        return (
            own
            | derived
            | {
                "F": F,
                "C": sum(f.width for f in schema.fields),
                "P": F * (F - 1) // 2,
                "P'": len(schema.user_fields) * len(schema.item_fields),  # the pairs of `feature_pairs`
                "F_user": len(schema.user_fields),
                "F_item": len(schema.item_fields),
                "users": schema.n_users,
                "items": schema.n_items,
            }
        )

    def trace(self, B: int) -> Trace:
        """Run at the first size, find which letters may move and how, run at others, and fit.

        The random numbers of whoever asks go on as if nothing had happened.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return self._trace(B)

    def _trace(self, B: int) -> Trace:
        start = self.knobs() | {"B": B}
        first = self.record(start)
        look = signature(first[0])

        def works(**change: int) -> bool:
            try:
                return signature(self.record(start | change, seed=1)[0]) == look
            except Exception:
                return False

        heads = start.get("H", 1)
        units = (1, 2, heads, 2 * heads)  # positions need an even d, heads a d that they divide
        unit = next((u for u in units if "d" in start and works(d=5 * u) and works(d=7 * u)), 1)
        many = unit if "H" not in start else int(np.lcm(unit, 12))  # any of 1, 2, 3, 4, 6 heads
        special = {
            "d": [[many * p for p in PRIMES]],
            "H": [[1, 2, 3, 4, 6]],
            MORE_IDS: [[1]],
            MORE_FIELDS: [[1]],
        }
        free = {}
        for letter, value in start.items():
            rest = {"d": many * PRIMES[0]} if letter == "H" else {}
            for way in special.get(letter, [PRIMES, [value + k for k in range(4)]]):
                if all(works(**{**rest, letter: v}) for v in (min(way), max(way))):
                    free[letter] = way
                    break
        return Trace.fit([first, *self._others(start, free)], unit)

    def _others(self, start: Mapping[str, int], free: dict) -> list:
        """Runs in which all letters move at once. Where two settings bar one another, the last one stands still."""
        chance = random.Random(2)
        draws = {letter: chance.sample(way, len(way)) for letter, way in free.items()}
        sizes = [start | {x: way[k % len(way)] for x, way in draws.items()} for k in range(RUNS)]
        try:
            return [self.record(size, seed=3 + k) for k, size in enumerate(sizes)]
        except Exception:
            optional = [letter for letter in free if letter not in ("B", "L", "d")]
            if not optional:
                raise
            return self._others(start, {x: way for x, way in free.items() if x != optional[-1]})


def signature(recorder: Recorder) -> list:
    """What stays the same when only sizes change."""
    return [
        (code, row, tuple((e["kind"], e["name"], e["call"], len(e["shape"])) for e in step["entries"]))
        for (code, row), step in recorder.steps.items()
    ]


# ---- formulas ----------------------------------------------------------------------------------------------


class Formulas:
    """Finds the shortest sum of at most three terms and a constant that gives the same number in every run."""

    def __init__(self, runs: list[dict[str, int]]):
        moving = [x for x in runs[0] if len({run[x] for run in runs}) > 1]
        alone = ("P'", "users", "items", "d/H")
        singles = [(x,) for x in moving]
        pairs = itertools.combinations([x for x in moving if x not in alone], 2)
        self.terms = singles + list(pairs)
        values = [[np.prod([run[x] for x in term]) for term in self.terms] for run in runs]
        self.values = np.array(values, np.float64).reshape(len(runs), len(self.terms))
        self.found: dict[tuple, Axis | None] = {}

    def __call__(self, numbers: tuple[int, ...]) -> Axis | None:
        if numbers not in self.found:
            self.found[numbers] = self._search(numbers)
        return self.found[numbers]

    def _search(self, numbers) -> Axis | None:
        y = np.array(numbers, np.float64)
        if (y == y[0]).all():
            return [[int(y[0]), []]]
        for size in (1, 2, 3):
            found = self._of_size(size, y)
            if found:
                return min(
                    found, key=lambda f: (len(f), sum(len(x) for _, x in f), sum(abs(k) for k, _ in f))
                )
        return None

    @functools.cached_property
    def _systems(self) -> dict:
        """For each number of terms: the choices of terms, their equations, and what solves them by least squares."""
        made = {}
        for size in (1, 2, 3):
            number = len(self.terms) if size < 3 else min(60, len(self.terms))  # choices of three grow fast
            every = list(itertools.combinations(range(number), size))
            chosen = np.array(every, int).reshape(len(every), size)
            ones = np.ones((len(chosen), len(self.values), 1))
            A = np.concatenate(
                [self.values[:, chosen].transpose(1, 0, 2), ones], axis=2
            )  # (choices, runs, terms + 1)
            scale = np.linalg.norm(
                A, axis=1, keepdims=True
            )  # (choices, 1, terms + 1) for the sake of rounding
            unit = A / scale
            square = unit.transpose(0, 2, 1) @ unit  # (choices, terms + 1, terms + 1)
            good = np.linalg.det(square) > 1e-10  # terms that these runs can tell apart
            solve = np.linalg.inv(square[good]) @ unit[good].transpose(0, 2, 1)
            made[size] = chosen[good], A[good], solve / scale[good].transpose(0, 2, 1)
        return made

    def _of_size(self, size: int, y: np.ndarray) -> list[Axis]:
        if len(self.values) < size + 2:
            return []
        chosen, A, solve = self._systems[size]
        k = np.round(solve @ y)  # (choices, terms + 1)
        good = ((A @ k[..., None])[..., 0] == y).all(1) & (k[:, :-1] != 0).all(1)
        formulas = []
        for terms, factors in zip(chosen[good], k[good].astype(int).tolist(), strict=True):
            sums = [[f, list(self.terms[t])] for f, t in zip(factors, terms, strict=False)]
            formulas.append(sums + ([[factors[-1], []]] if factors[-1] else []))
        return formulas


def evaluate(axis: Axis, sizes: Mapping[str, int]) -> int:
    """The length of an axis at these sizes."""
    if isinstance(axis, int):
        return axis
    return sum(k * int(np.prod([sizes[x] for x in letters], dtype=int)) for k, letters in axis)


def written(axis: Axis) -> str:
    """A formula for readers: 3 d, L + 1, channels (F − kernel + 1). A number that no formula gave gets a "?"."""
    if isinstance(axis, int):
        return f"{axis}?"
    common = [x for x in axis[0][1] if len(axis) > 1 and all(x in letters for _, letters in axis)][:1]
    terms = [(k, sorted(set(letters) - set(common), key=_place)) for k, letters in axis]
    text = ""
    for k, letters in sorted(terms, key=lambda term: (not term[1], term[0] < 0, -len(term[1]))):
        size = [str(abs(k))] if abs(k) != 1 or not letters else []
        text += ("−" if k < 0 else "") * (not text) + (" − " if k < 0 else " + ") * bool(text)
        text += " ".join([*size, *letters])
    return f"{common[0]} ({text})" if common else text


def _place(letter: str) -> tuple:
    """Settings first, then fixed letters, d last: channels F, F d."""
    order = ("B", "L", "H", "F", "C", "P", "P'", "d")
    return (order.index(letter), "") if letter in order else (-1, letter)


def shape_text(axes: list[Axis], count: Axis | None = None) -> str:
    """A shape as Python writes it, (B, L, d) or (B,); of a list of tensors, "L × (B, d)"."""
    inner = ", ".join(written(a) for a in axes) + ("," if len(axes) == 1 else "")
    return (f"{written(count)} × " if count is not None else "") + f"({inner})"


@dataclasses.dataclass
class Trace:
    """The code that ran, and its steps with shapes as formulas."""

    code: list[dict]  # blocks: name, rows of {number, text, step, run}
    steps: list[dict]  # block, row, calls, entries, varies
    letters: dict[str, int]  # what stands still: F, C, P, settings
    moving: list[str]  # which of B, L, d a shape depends on
    unit: int  # d may be any multiple of this

    @classmethod
    def fit(cls, runs, unit: int) -> Trace:
        first, base = runs[0]
        formulas = Formulas([letters for _, letters in runs])
        blocks = list(dict.fromkeys(code for code, _ in first.steps))
        blocks.sort(key=lambda code: code.co_name != "forward")
        steps, at = [], {}
        for (code, row), seen in first.steps.items():
            at[code, row] = len(steps)
            entries = []
            for i, e in enumerate(seen["entries"]):
                others = [_matching(other.steps.get((code, row)), i, e) for other, _ in runs]

                def axis(read, others=others, e=e) -> Axis:
                    numbers = [read(o) for o in others if o is not None]
                    fitted = formulas(tuple(numbers)) if len(numbers) == len(runs) else None
                    return read(e) if fitted is None else fitted

                shape = [axis(lambda o, k=k: o["shape"][k]) for k in range(len(e["shape"]))]
                count = None if e["count"] is None else axis(lambda o: o["count"])
                entries.append({**e, "shape": shape, "count": count})
            varies = any((code, row) in other.varies for other, _ in runs)
            step_of = {"block": blocks.index(code), "row": row, "calls": seen["calls"], "entries": entries}
            steps.append({**step_of, "varies": varies})
        axes = [
            a for s in steps for e in s["entries"] for a in (*e["shape"], e["count"]) if isinstance(a, list)
        ]
        terms = [letters for axis in axes for _, letters in axis]
        if not any("P" in letters for letters in terms):  # only one kind of pairs: it may have the letter
            for letters in terms:
                letters[:] = ["P" if x == "P'" else x for x in letters]
            base = base | {"P": base["P'"]}
        used = {part for letters in terms for x in letters for part in x.split("/")}
        for s in steps:
            for e in s["entries"]:
                e["text"] = shape_text(e["shape"], e["count"])
        code = []
        for block in blocks:
            source = first.source(block)
            rows = [
                {
                    "number": source.number(row),
                    "text": source.text(row),
                    "step": at.get((block, row), -1),
                    "run": row == 0 or (block, row) in first.passed,
                }
                for row in range(len(source.rows))
            ]
            code.append({"name": source.name, "rows": rows})
        fixed = {x: v for x, v in base.items() if x in used and x not in ("B", "L", "d")}
        return cls(code, steps, fixed, [x for x in ("B", "L", "d") if x in used], unit)


def _matching(step: dict | None, i: int, e: dict) -> dict | None:
    """The entry of another run that is the same tensor in the code."""
    if step is None or i >= len(step["entries"]):
        return None
    other = step["entries"][i]
    same = all(other[k] == e[k] for k in ("kind", "name", "call")) and len(other["shape"]) == len(e["shape"])
    return other if same and (other["count"] is None) == (e["count"] is None) else None
