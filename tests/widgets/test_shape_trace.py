"""ShapeTrace: its formulas, and the numbers on the screen, are the shapes of real runs at sizes it never saw."""

from __future__ import annotations

import ast
import inspect
import random
import re
import sys
import textwrap
import types

import pytest
import torch
import traitlets
from torch import nn

from recbyhand import models
from recbyhand.data.batch import Field
from recbyhand.inspect import show, tracing
from recbyhand.models import Recommender
from recbyhand.widgets import ShapeTrace
from tests.factories import make_batch, make_schema
from tests.models.cases import EVERY, ON_A_GRAPH

NAMES = [name for name in EVERY if name not in ON_A_GRAPH]  # a graph is no part of a schema
VARIANTS = [
    ("DIN", {"features": True, "users": True, "normalise": True}),
    ("DIEN", {"features": True, "evolution": "aigru"}),
    ("FeatureCNN", {"over": "dims", "kernel": 2}),
    ("FeatureMLP", {"ids": False}),
    ("DeepFM", {"merge": "concat"}),
    ("WideDeep", {"crosses": [("gender", "genres"), ("year", "country")]}),
    ("RNNFactorization", {"cell": "lstm"}),
    ("NFM", {"batch_norm": True}),
    ("PooledSequence", {"head": "concat", "pooling": "sum", "features": True}),
    ("MatrixFactorization", {"biases": False}),
    ("AFM", {"attention_dim": 9}),
]
FIELDS = {
    "user_fields": (Field("gender", 4),),
    "item_fields": (Field("year", 7), Field("genres", 9, 3), Field("country", 5)),
}
B, L, D = 6, 8, 10  # no run that formulas are fitted to has these


class Log(ast.NodeTransformer):
    """After every assignment, and around every returned value, a note of what was assigned or returned."""

    def visit_Assign(self, node):
        names = [n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
        notes = "".join(f"_log({node.lineno}, {n!r}, {n})\n" for n in names)
        return [node, *(ast.copy_location(n, node) for n in ast.parse(notes).body)]

    def visit_Return(self, node):
        call = ast.parse(f"_log({node.lineno}, 'return', 0)").body[0].value
        call.args[2] = node.value
        return ast.Return(call)


def real(model: Recommender, batch) -> tuple[dict, list]:
    """{(function, line, name): value} of a run, by rewritten source; [(inputs, outputs)] of its modules, by hooks."""
    seen, called = {}, []
    for cls in reversed(type(model).__mro__):
        if not issubclass(cls, nn.Module) or cls in (nn.Module, Recommender):
            continue
        above = inspect.getsourcelines(cls)[1] - 1  # lines count from the class, as in a listing
        for name, function in vars(cls).items():
            if not inspect.isfunction(function) or name.startswith("__"):
                continue
            lines, first = inspect.getsourcelines(function)
            tree = Log().visit(ast.parse(textwrap.dedent("".join(lines))))
            ast.increment_lineno(tree, first - 1)

            def log(line, what, value, name=name, first=first - above):
                seen.setdefault((name, line + first - 1, what), value)
                return value

            space = {**function.__globals__, "_log": log}
            exec(compile(ast.fix_missing_locations(tree), "rewritten", "exec"), space)
            object.__setattr__(model, name, types.MethodType(space[name], model))

    def hook(module, inputs, keywords, output):
        shapes = [
            [tuple(t.shape) for _, t, _ in tracing.tensors(x)]
            for x in ([*inputs, *keywords.values()], output)
        ]
        called.append(shapes)

    for module in model.modules():
        if module is not model:
            module.register_forward_hook(hook, with_kwargs=True)
    model.eval()(batch)
    return seen, called


def shape_of(value, at: str) -> tuple[int, ...]:
    """The shape of value, value[0], value['a'] ...; of a list of equal shapes, that of one."""
    value = eval(f"value{at}", {"value": value})
    return tuple((value[0] if isinstance(value, list) else value).shape)


def built(name, settings, d=D, history=L) -> Recommender:
    cls = getattr(models, name) if isinstance(name, str) else name
    dim = {"dim": d} if "dim" in inspect.signature(cls.__init__).parameters else {}
    return cls(make_schema(history=history, **FIELDS), **dim, **settings)


@pytest.mark.parametrize("name", ["DIN", "FM", "DeepFM", "BST"])
def test_lines_have_the_numbers_of_the_listing(name):
    cls = getattr(models, name)
    (_, listing), lines = show(cls).blocks[0], 0
    for block in ShapeTrace(cls).code:
        for row in block["rows"]:
            if block["name"] in vars(cls):
                lines += 1
                assert listing.splitlines()[row["number"] - 1].strip() == row["text"].splitlines()[0].strip()
    assert lines > 3


def compare(widget: ShapeTrace, model: Recommender, batch, sizes: dict):
    seen, called = real(model, batch)
    records = widget.shapes(**sizes)
    named = [r for r in records if r["kind"] in ("value", "return")]
    assert named[-1]["kind"] == "return"
    for r in named:
        name, at = re.fullmatch(r"(\w+)(.*)", r["name"]).groups()
        value = seen[r["function"], r["line"], name]
        assert r["shape"] == shape_of(value, at), r
    tensors = {(f, line, n) for (f, line, n), v in seen.items() if tracing.tensors(v) and n != "_"}
    found = {(r["function"], r["line"], re.match(r"\w+", r["name"])[0]) for r in named}
    assert found == tensors, "each tensor assigned is in the trace, and nothing else"
    for call in {r["call"]: r for r in records if r["call"] and r["call"].startswith("self.")}:
        of = [r for r in records if r["call"] == call]
        line = [[r["shape"] for r in of if r["kind"] == kind] for kind in ("from", "to")]
        if not re.search(r"self\.\w+\.\w+\(", call):  # a method of a layer has no hook
            assert line in called, call


@pytest.mark.parametrize(
    ("name", "settings"),
    [*((n, {}) for n in NAMES), *VARIANTS],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_formulas_hold_at_a_size_they_never_saw(name, settings):
    widget = ShapeTrace(built(name, settings, d=4, history=5))
    assert not any("?" in r["text"] for r in widget.shapes())
    model = built(name, settings)
    compare(widget, model, make_batch(model.schema, B=B), {"B": B, "L": L, "d": D})


def texts(widget) -> dict:
    return {r["name"]: r["text"] for r in widget.shapes() if r["kind"] in ("value", "return")}


def test_formulas_are_those_of_the_book():
    assert texts(ShapeTrace("RNNRecommender"))["states"] == "(B, L + 1, hidden_size)"
    assert texts(ShapeTrace("AFM"))["e"] == "(B, P, d)"
    assert texts(ShapeTrace("Poly2"))["w_pair"] == "(B, P)"
    assert texts(ShapeTrace("FeatureCNN"))["y"] == "(B, channels, F − kernel + 1)"
    assert texts(ShapeTrace("FNN"))["z"] == "(B, F d + F + 1)"
    assert texts(ShapeTrace("PooledSequence"))["parts[2]"] == "(B, d)"
    din = [r["text"] for r in ShapeTrace("DIN").shapes() if r["kind"] == "from"]
    assert "(B, 3 d)" in din
    made = [(r["call"], r["name"]) for r in ShapeTrace("DIN").shapes() if r["kind"] == "to"]
    assert made[:2] == [("self.item(batch.history)", "e"), ("self.item(batch.item)", "t")]
    assert ShapeTrace("AFM").letters == {"attention_dim": 16, "F": 6, "C": 8, "P": 15}
    assert ShapeTrace("Poly2").letters["P"] == 4
    assert ShapeTrace("MatrixFactorization").moving == ["B", "d"]


class Heads(Recommender):
    """A reader's own: d is split over heads; a loop; a dictionary; an axis that depends on the data."""

    def __init__(self, schema, *, dim: int = 8, heads: int = 2):
        super().__init__()
        self.item = nn.Embedding(schema.n_items, dim)
        self.q = nn.Linear(dim, dim)
        self.heads = heads
        if dim % heads:
            raise ValueError("heads must divide dim")

    def forward(self, batch):
        """Several lines
        of text, which are not shown."""
        e = self.item(batch.history)
        real = e[batch.history_mask]  # noqa: F841
        q = self.q(e).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        steps = []
        for x in q.unbind(2):
            y = x.flatten(1)
            steps.append(y)
        out = {"mean": torch.stack(steps).mean(0), "flat": e.flatten(0, 1)}
        if self.heads > 99:
            out = None
        return out["mean"].sum(1)


def test_a_readers_own_model():
    widget = ShapeTrace(Heads)
    found = texts(widget)
    assert found["e"] == "(B, L, d)"
    assert found["q"] == "(B, H, L, d/H)"
    assert found["y"] == "(B, d)"
    assert found["out['flat']"] == "(B L, d)"
    assert re.fullmatch(r"\(\d+\?, d\)", found["real"])  # the number of real events
    assert widget.letters == {"H": 2}
    model = Heads(make_schema(history=L), dim=12, heads=3)
    seen, _ = real(model, make_batch(model.schema, B=B))
    at = {r["name"]: r["shape"] for r in ShapeTrace(model).shapes(B=B, L=L, d=12)}
    for name in ("e", "q", "y"):
        value = next(v for (_, _, n), v in seen.items() if n == name)
        assert at[name] == tuple(value.shape)
    rows = widget.code[0]["rows"]
    assert not any("several" in row["text"].lower() for row in rows)
    assert [row["text"].strip() for row in rows if not row["run"]] == ["out = None"]
    assert "transpose" in next(row["text"] for row in rows if "unflatten" in row["text"])


class Fixed(Recommender):
    """Written for six fields, with no embedding and no learnable number; the rows of a loop differ."""

    def __init__(self, schema):
        super().__init__()

    def forward(self, batch):
        w = (
            1 - torch.ones(8) / 8
        )  # torch does this minus in Python: a frame that no call in this line stands for
        x = batch.ids() * w
        for _ in range(2):
            x = torch.cat([x, x], dim=1)
        return x.sum(1)


def test_a_model_without_settings_keeps_its_numbers():
    widget = ShapeTrace(Fixed)
    assert widget.moving == ["B"]
    found = [(r["name"], r["text"]) for r in widget.shapes() if r["kind"] == "value"]
    assert found == [("w", "(8,)"), ("x", "(B, 8)"), ("x", "(B, 16)")]
    assert [step["varies"] for step in widget.steps if step["entries"][-1]["text"] == "(B, 16)"] == [True]


@pytest.mark.parametrize("seed", range(5))
def test_any_formula_is_found_again(seed):
    chance = random.Random(seed)
    runs = [{x: chance.choice(tracing.PRIMES) for x in ("B", "L", "d", "F", "hidden")} for _ in range(10)]
    formulas = tracing.Formulas(runs)
    for axis in (
        [[3, ["d"]]],
        [[1, ["L"]], [1, []]],
        [[2, ["L", "d"]], [-1, ["F"]]],
        [[1, ["F", "d"]], [1, ["F"]], [5, []]],
        [[1, ["hidden", "F"]], [-1, ["hidden", "L"]], [1, ["hidden"]]],
        [[7, []]],
    ):
        found = formulas(tuple(tracing.evaluate(axis, run) for run in runs))
        other = {x: chance.randint(50, 99) for x in runs[0]}
        assert tracing.evaluate(found, other) == tracing.evaluate(axis, other)
    assert formulas(tuple(chance.randint(1, 500) for _ in runs)) is None


def test_written():
    assert (
        tracing.written([[1, ["hidden", "F"]], [-1, ["hidden", "L"]], [2, ["hidden"]]])
        == "hidden (F − L + 2)"
    )
    assert tracing.written([[-1, ["L"]], [4, ["d"]], [-2, []]]) == "4 d − L − 2"
    assert tracing.shape_text([]) == "()"
    assert tracing.shape_text([[[1, ["B"]]]], [[1, ["L"]]]) == "L × (B,)"


def test_nothing_of_the_readers_is_disturbed():
    model = models.AFM(make_schema(), dim=4).train()
    state, before = torch.random.get_rng_state(), sys.gettrace()

    def tracer(frame, event, arg):  # a debugger's
        return None

    sys.settrace(tracer)
    try:
        ShapeTrace(model)
        found = sys.gettrace()
    finally:
        sys.settrace(before)
    assert found is tracer
    assert torch.equal(torch.random.get_rng_state(), state)
    assert model.training
    assert model.settings["dim"] == 4


class Fails(Recommender):
    def __init__(self, schema):
        super().__init__()

    def forward(self, batch):
        raise RuntimeError("not today")


def test_errors():
    with pytest.raises(traitlets.TraitError, match=r"no model 'DNI'; there are .*DIN"):
        ShapeTrace("DNI")
    for wrong in (nn.Linear(2, 2), 3, Recommender):
        with pytest.raises(traitlets.TraitError, match="must be a Recommender"):
            ShapeTrace(wrong)
    with pytest.raises(traitlets.TraitError, match="task_or_schema must be a task"):
        ShapeTrace("FM", "movielens")
    with pytest.raises(traitlets.TraitError, match="RuntimeError: not today"):
        ShapeTrace(Fails)
    with pytest.raises(traitlets.TraitError, match="step must be below"):
        ShapeTrace("FM", step=40)
    with pytest.raises(traitlets.TraitError):
        ShapeTrace("FM", B=0)


# ---- on the screen -----------------------------------------------------------------------------------------


def size_of(visit) -> dict:
    return {x: visit.get(x) for x in ("B", "L", "d")}


def run(model_name: str, visit) -> dict:
    """{(line, name): shape} of a real forward at the sizes on the screen."""
    size = size_of(visit)
    model = built(model_name, {}, size["d"], size["L"])
    seen, _ = real(model, make_batch(model.schema, B=size["B"]))
    return {(line, n): tuple(v.shape) for (_, line, n), v in seen.items() if hasattr(v, "shape")}


def shapes_in(text: str) -> dict:
    found = re.findall(r"([\w.\[\]]+) \(([\d, ]*)\)", text)
    return {name: tuple(int(x) for x in sizes.split(",") if x.strip()) for name, sizes in found}


def on_lines(visit) -> dict:
    """{(line, name): shape} as the code shows them."""
    visit.settle()
    lines = (
        visit.widget()
        .locator(".line")
        .evaluate_all(
            "(all) => all.map((e) => [+e.querySelector('.no').textContent,"
            " [...e.querySelectorAll('.sizes > span')].map((s) => s.textContent).join(' ')])"
        )
    )
    return {(line, name): shape for line, text in lines for name, shape in shapes_in(text).items()}


def everything(visit) -> str:
    return visit.widget().locator(".stage").evaluate("(e) => e.innerHTML")


def check_screen(visit, model_name: str):
    expected, shown = run(model_name, visit), on_lines(visit)
    for key, shape in expected.items():
        if key[1] != "_":
            assert shown[key] == shape, key
    boxes = (
        visit.widget()
        .locator("figure svg")
        .evaluate_all("(all) => all.map((s) => s.getAttribute('aria-label'))")
    )
    assert boxes
    selected = visit.widget().locator(".line[aria-selected=true] .no").inner_text()
    here = {name: shape for (line, name), shape in expected.items() if line == int(selected)}
    rows = (
        visit.widget()
        .locator("tr.now")
        .evaluate_all("(all) => all.map((r) => [...r.cells].map((c) => c.textContent))")
    )
    for name, _text, here_shape, values in rows:
        if name in here:
            assert shapes_in(f"{name} {here_shape}")[name] == here[name]
            assert int(values.replace("\u202f", "")) == torch.Size(here[name]).numel()
            assert any(label.startswith(f"{name} (") and here_shape in label for label in boxes)


@pytest.mark.parametrize("name", ["DIN", "RNNRecommender", "FNN", "AFM"])
def test_sliders_give_the_shapes_of_a_real_run(open_page, name):
    visit = open_page(ShapeTrace(name, make_schema(history=5, **FIELDS)))
    check_screen(visit, name)
    for letter, label in (("B", "B, batch"), ("L", "L, history"), ("d", "d, embedding")):
        slider = visit.widget().get_by_role("slider", name=label)
        if letter == "L" and name in ("FNN", "AFM"):
            assert not slider.is_visible()
            continue
        if name == "RNNRecommender":
            visit.set({"step": 4})  # here d is seen on the way into the network only
        before = everything(visit), visit.get(letter)
        slider.press("ArrowRight")
        slider.press("PageUp" if letter == "L" else "ArrowRight")
        visit.settle()
        assert visit.get(letter) > before[1]
        assert everything(visit) != before[0]
        check_screen(visit, name)


def test_steps_by_button_key_and_pointer(open_page):
    widget = ShapeTrace("DIEN", make_schema(history=5, **FIELDS))
    visit = open_page(widget)
    last = len(widget.steps) - 1

    def at(step):
        visit.settle()
        assert visit.get("step") == step
        selected = visit.widget().locator(".line[aria-selected=true]")
        assert selected.count() == 1
        block = widget.code[widget.steps[step]["block"]]
        assert int(selected.locator(".no").inner_text()) == block["rows"][widget.steps[step]["row"]]["number"]
        code = visit.widget().get_by_role("listbox")
        assert code.get_attribute("aria-activedescendant") == selected.get_attribute("id")
        assert (
            f"Tensors in {block['name']} so far"
            in visit.widget().locator(".below > .pair caption").inner_text()
        )
        so_far = [s for s in widget.steps[: step + 1] if s["block"] == widget.steps[step]["block"]]
        names = {e["name"] for s in so_far for e in s["entries"] if e["call"] is None}
        rows = visit.widget().locator(".below > .pair tbody tr")
        assert {
            row.locator("th").inner_text() for row in rows.all() if row.locator("td").first.is_visible()
        } == names
        check_screen(visit, "DIEN")

    at(0)
    visit.widget().get_by_role("button", name="Step: one more").click()
    at(1)
    code = visit.widget().get_by_role("listbox")
    for key, step in (
        ("ArrowDown", 2),
        ("ArrowRight", 3),
        ("ArrowUp", 2),
        ("End", last),
        ("ArrowDown", last),
        ("Home", 0),
    ):
        code.press(key)
        at(step)
    for step in (5, last, 3):
        block = widget.code[widget.steps[step]["block"]]
        number = block["rows"][widget.steps[step]["row"]]["number"]
        visit.widget().locator(".line", has=visit.tab.get_by_text(str(number), exact=True)).click()
        at(step)
    visit.widget().get_by_role("button", name="Step: one less").click()
    at(2)


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", ["JointRNN", "FNN", "FeatureCNN"])
def test_the_figure_keeps_its_height_from_step_to_step(open_page, name, width):
    """What stands below does not move while one steps, and no more room is kept than some step fills."""
    widget = ShapeTrace(name, make_schema(history=5, **FIELDS))
    visit = open_page(widget, width=width)
    measure = "(e) => Math.round(10 * e.getBoundingClientRect().height)"
    heights, filled, more = set(), [], visit.widget().get_by_role("button", name="Step: one more")
    for step in range(len(widget.steps)):
        assert visit.get("step") == step
        heights.add(visit.widget().locator(".frame").evaluate(measure))
        filled.append(visit.widget().locator(".below > .pair").evaluate(measure))
        if more.is_enabled():
            more.click()
            visit.settle()
    assert len(heights) == 1
    assert len(set(filled)) > 1, "or there was nothing to keep"
    assert abs(max(filled) - visit.widget().locator(".below").evaluate(measure)) < 10
    visit.set({"step": 0, "B": 250, "L": 90})
    assert visit.widget().locator(".frame").evaluate(measure) > min(heights), "larger boxes take more room"
    visit.tab.set_viewport_size({"width": 1670 - width, "height": 900})
    visit.settle()
    visit.settle()
    before = visit.widget().locator(".frame").evaluate(measure)
    visit.set({"step": len(widget.steps) - 1})
    assert visit.widget().locator(".frame").evaluate(measure) == before
    assert not visit.overflow()


def test_on_a_telephone_a_line_with_many_tensors_goes_on_to_the_right(open_page):
    """Its boxes are one row, reached by keyboard; a step begins at their left end."""
    visit = open_page(ShapeTrace("JointRNN"), width=390)
    visit.set({"step": 3})
    flow = visit.widget().get_by_role("group", name="Tensors of this line")
    assert flow.evaluate("(e) => e.scrollWidth > e.clientWidth")
    drawn = "(all) => all.map((e) => e.getBoundingClientRect().width - e.getAttribute('width'))"
    assert all(abs(less) < 1 for less in flow.locator("svg").evaluate_all(drawn)), "none is shrunk to fit"
    flow.focus()
    assert visit.tab.evaluate("document.activeElement.shadowRoot.activeElement.className") == "flow"
    flow.evaluate("(e) => { e.scrollLeft = 90; }")
    visit.set({"step": 4})
    assert flow.evaluate("(e) => e.scrollLeft") == 0
    assert visit.violations() == []


def test_a_name_assigned_again_has_its_latest_shape(open_page):
    visit = open_page(ShapeTrace("FNN", step=2, B=3, d=5))
    row = visit.widget().locator("tr", has=visit.tab.get_by_role("rowheader", name="z", exact=True))
    assert row.locator("td").all_inner_texts() == ["(B, F (d + 1))", "(3, 36)", "108"]
    visit.widget().get_by_role("button", name="Step: one more").click()
    visit.settle()
    assert row.locator("td").all_inner_texts() == ["(B, F d + F + 1)", "(3, 37)", "111"]
    assert row.count() == 1


def test_play_walks_to_the_end(open_page):
    visit = open_page(ShapeTrace("FM"), motion="no-preference")
    visit.set({"step": 2})
    visit.widget().get_by_role("button", name="Play").click()
    visit.tab.wait_for_function(
        "document.querySelector('.rbh-widget').model.get('step') === 3", timeout=10_000
    )
    visit.widget().get_by_role("button", name="Play").wait_for()  # it has stopped by itself


def test_every_letter_of_a_box_is_in_its_picture(open_page):
    """Names, lengths, and what is said of a tensor with more axes than a box has sides."""
    widget = ShapeTrace(Heads)
    visit, long = open_page(widget), 0
    for step in range(len(widget.steps)):
        visit.set({"step": step})
        words = (
            visit.widget()
            .locator("figure svg text")
            .evaluate_all(
                """(all) => all.map((text) => { const at = text.getBoundingClientRect(), svg = text.ownerSVGElement;
            const box = svg.getBoundingClientRect();
            return [text.textContent, at.left - box.left, box.right - at.right, box.bottom - at.bottom]; })"""
            )
        )
        for text, left, right, below in words:
            assert min(left, right, below) > -2, (text, left, right, below)
            long += "three of its axes" in text
    assert long


def test_what_no_formula_gives_is_said(open_page):
    visit = open_page(ShapeTrace(Heads))
    note = visit.widget().locator(".note").inner_text()
    assert "question mark" in note
    assert "H = 2 heads" in note
    slider = visit.widget().get_by_role("slider", name="d, embedding")
    assert slider.get_attribute("step") == "2"
    slider.press("ArrowRight")
    assert visit.get("d") == 10
    assert "not run" in visit.widget().locator(".line[aria-disabled]").first.inner_text()
    visit.set(
        {
            "letters": {"H": 2, "kernel": 3},
            "steps": [
                {
                    "block": 0,
                    "row": 0,
                    "calls": [],
                    "varies": True,
                    "entries": [
                        {
                            "kind": "input",
                            "name": "x",
                            "call": None,
                            "type": "float",
                            "count": None,
                            "text": "",
                            "shape": [[[1, ["d"]], [-20, []]]],
                        }
                    ],
                }
            ],
            "step": 0,
        }
    )
    note = visit.widget().locator(".note").inner_text()
    assert "below 0" in note
    assert "more than once" in visit.widget().locator(".flow").first.inner_text()


def test_javascript_evaluates_as_python_does(open_page):
    visit = open_page(ShapeTrace("AFM"))
    sizes = {"B": 3, "L": 4, "d": 6, "H": 2, "d/H": 3, "F": 5}
    axes = [[[2, ["d"]], [1, []]], [[1, ["B", "L"]], [-1, ["F"]]], [[1, ["d/H"]]], 12, [[0, []]]]
    assert visit.js("evaluate", [(a, sizes) for a in axes]) == [tracing.evaluate(a, sizes) for a in axes]
    assert visit.js("sizesOf", [({"H": 2, "F": 5}, 3, 4, 6)]) == [sizes]
    assert visit.js("tuple", [([],), ([3],), ([3, 4],)]) == ["()", "(3,)", "(3, 4)"]
