"""Checks of chapter 8: derive your own."""

from __future__ import annotations

import copy
import dataclasses
import functools

import torch
from torch import Tensor, nn

from recbyhand import layers
from recbyhand.data import Batch, Field, ctr, planted, toy, toy_schema
from recbyhand.exercises.engine import Wrong, call, exercise, function
from recbyhand.exercises.quizzes import question, quiz
from recbyhand.inspect.audit import Audit, Subject, audit
from recbyhand.inspect.trial import Trial

# ------------------------------------------------------------------------------------------------------ derive-1


def _weights(pairs) -> layers.CrossedWeights:
    fields = (Field("group", 5), Field("kind", 4), Field("age", 6))
    weights = layers.CrossedWeights(fields, pairs)
    with torch.no_grad():
        weights.table.weight.copy_(
            torch.randn(weights.table.weight.shape, generator=torch.Generator().manual_seed(3))
        )
    return weights


def _crossed(weights, ids):
    """By loops: the weight of values i and j of fields a and b stands in row i n_b + j, after the tables before."""
    where, table, total = (
        {f.name: n for n, f in enumerate(weights.fields)},
        weights.table.weight[:, 0].tolist(),
        [],
    )
    for row in ids.tolist():
        start, z = 0, 0.0
        for (a, b), size in zip(weights.pairs, weights.sizes):
            z += table[start + row[where[a]] * weights.fields[where[b]].size + row[where[b]]]
            start += size
        total.append(z)
    return torch.tensor(total)


@exercise(
    "derive-1",
    "What is the shape of `weights(ids)`? Print it for one pair, and for two.",
    "(B, P), a number per pair. The logit is their sum over P, the last axis.",
    todo="Replace the `...`: the function returns a tensor of shape (B,).",
    solved="Right. One number per pair of values: nothing is shared, and a pair that training never shows stays at 0.",
)
def derive_1(answer):
    one, two = _weights([("group", "kind")]), _weights([("group", "kind"), ("kind", "age")])
    ids = torch.tensor([[2, 2, 3], [3, 2, 5], [4, 3, 2], [2, 3, 4]])
    function(
        answer,
        inputs=[(one, ids), (two, ids), (two, ids[:1])],
        oracle=_crossed,
        wrong=[
            (
                lambda w, i: w(i),
                "That is (B, P), a number for each pair. Added to (B,) it would be broadcast.",
            ),
            (
                lambda w, i: w(i).squeeze(),
                "A bare squeeze drops the axis only where there is one pair: sum over it.",
            ),
            (lambda w, i: w(i)[:, 0], "Right for one pair of fields. With two, the second is lost."),
            (
                lambda w, i: w(i).sum(),
                "One number for the whole batch: sum over the pairs, not over the rows.",
            ),
            (lambda w, i: w(i).mean(1), "A mean over the pairs; effects add up in the logit."),
            (lambda w, i: w(i).prod(1), "A product over the pairs; effects add up in the logit."),
        ],
    )


# ------------------------------------------------------------------------------------------------------ derive-2


class _Honest(nn.Module):
    """With dropout, so that asking in training mode answers differently each time."""

    def __init__(self, schema):
        super().__init__()
        self.item = nn.Embedding(schema.n_items, 4)
        self.out = nn.Sequential(nn.Dropout(0.5), nn.Linear(4, 1))

    def forward(self, batch: Batch) -> Tensor:
        return self.out(self.item(batch.item)).squeeze(-1)


class _Reads(_Honest):
    def forward(self, batch):
        return super().forward(batch) + 0.01 * batch.label


class _ReadsOne(_Honest):
    """The label of a single row leaks, by a wrong index."""

    def forward(self, batch):
        logit = super().forward(batch)
        return torch.cat([logit[:-1], logit[-1:] + batch.label[-1:]])


@exercise(
    "derive-2",
    "Score the batch, turn every label round, score it again. In which mode?",
    "`model.eval()`, or dropout will answer twice; `1 - batch.label` changes every label; then put the mode back.",
    todo="Complete the function `reads_label(model, batch)`: it returns True or False.",
    solved="Right. The audit does this, and more of its kind.",
)
def derive_2(answer):
    schema = toy_schema(10, 12)
    batches = [toy(6, schema, label=label) for label in ([1, 0, 1, 0, 1, 0], [0] * 6, [1] * 6)]
    torch.manual_seed(0)
    for kind, truth in ((_Honest, False), (_Reads, True), (_ReadsOne, True)):
        for batch in batches:
            for training in (True, False):
                model = kind(schema).train(training)
                mine = copy.deepcopy(batch)
                said = answer(model, mine)
                if said is None or said is ...:
                    raise Wrong("", "stub")
                if isinstance(said, Tensor) and said.numel() == 1:
                    said = bool(said)
                if not isinstance(said, bool):
                    raise Wrong(f"True or False is asked for; this is a {type(said).__name__}.")
                if not torch.equal(mine.label, batch.label):
                    raise Wrong(
                        "batch.label is another afterwards: change a copy, with `dataclasses.replace`."
                    )
                if model.training != training:
                    raise Wrong(
                        "The model is left in another mode than it came in: put `model.training` back."
                    )
                if said == truth:
                    continue
                if kind is _Honest and training:
                    raise Wrong(
                        "An honest model with dropout, in training mode, is accused: ask in evaluation mode."
                    )
                if kind is _Honest:
                    raise Wrong(
                        "An honest model is accused: only the label may differ between the two questions."
                    )
                if kind is _Reads and int(batch.label.sum()) == 3:
                    raise Wrong(
                        "A leak is missed where half of the labels are 1: compare row by row, not the mean."
                    )
                if kind is _ReadsOne:
                    raise Wrong("A leak into one row of six is missed: one score that moves is enough.")
                state = "all 0" if not batch.label.any() else "all 1" if batch.label.all() else "mixed"
                raise Wrong(f"A leak is missed where the labels are {state}: does each label really change?")


# --------------------------------------------------------------------------------------------- derive-3, derive-4


@functools.cache
def _task(world: str):
    return ctr(planted(world, users=40), history=8)


def _audited(answer, world: str) -> tuple[Audit, Subject]:
    """The report of a class without a fault, and the model to be asked further."""
    if isinstance(answer, nn.Module) or not callable(answer):
        what = "a model" if isinstance(answer, nn.Module) else f"a {type(answer).__name__}"
        raise Wrong(f"Hand in the class, without brackets; this is {what}.")
    task = _task(world)
    made = answer(task.schema)
    if not isinstance(made, nn.Module):
        raise Wrong(f"The class must be an `nn.Module`; it made a {type(made).__name__}.")
    call(made.eval(), task.train[0:4])
    report = audit(answer, task)
    for found in report.findings:
        if found.passed is False:
            raise Wrong(f"The audit says, {found.name}: {found.said}")
    return report, Subject(answer, task)


def _scores(it: Subject, **columns) -> Tensor:
    """What the loud model says where some columns of the first row are replaced; each a list of values."""
    n = len(next(iter(columns.values())))
    batch = it.rows[torch.zeros(n, dtype=torch.long)]
    return it.scores(
        dataclasses.replace(
            batch, **{k: torch.stack([torch.as_tensor(x) for x in v]) for k, v in columns.items()}
        )
    ).double()


def _together(it: Subject, first: tuple, second: tuple) -> bool:
    """Do two inputs act together? s(a, b) - s(a', b) - s(a, b') + s(a', b') is 0 where they are only added."""
    (name, (a, b)), (other, (c, d)) = first, second
    z = _scores(it, **{name: [a, b, a, b], other: [c, c, d, d]})
    return bool((z[0] - z[1] - z[2] + z[3]).abs() > 1e-4 * (1 + z.abs().max()))


def _different(table: Tensor) -> tuple[int, int]:
    """Two ids whose features differ."""
    other = (table[2:] != table[2]).any(1).nonzero()[0, 0]
    return 2, int(other) + 2


@exercise(
    "derive-3",
    "Start from `Library`: what does its attention have to know besides the two films?",
    "`layers.age(batch.history_mask)` is (B, L): how many events back, 1 for the newest, wherever the padding stands.",
    "Put a vector of `LearnedPositions` beside e, and one for place 0 beside t: the unit then has width 2 d.",
    todo="Write the class `Newsroom`: `__init__(schema, dim=16)`, and `forward(batch)` with logits (B,).",
    solved="Right: sound, knows places, crosses features. What it is worth, a trial says.",
    seconds=60,
)
def derive_3(answer):
    report, it = _audited(answer, "drift+crosses")
    schema = it.task.schema
    if not report.reads["history"]:
        raise Wrong("No score moves when the history is another: the last four events decide here.")
    if not report.reads["order"]:
        raise Wrong(
            "Turn a history round, and no score moves: your model cannot know which four were the last."
        )
    past = [it.rows.history[k] for k in (0, len(it.rows) // 2)]
    items = _different(schema.item_table)
    if not _together(it, ("history", (past[0], past[1])), ("item", items)):
        raise Wrong(
            "History and target are only added: whoever is asked, a film adds the same. Let them meet."
        )
    if not _together(it, ("user", _different(schema.user_table)), ("item", items)):
        raise Wrong(
            "Group and kind do not act together: users of two groups differ alike on films of two kinds."
        )


@exercise(
    "derive-4",
    "Two dot products: user and film, newest event and film.",
    "The newest event is where `layers.age(batch.history_mask) == 1`; a sum over L picks its id.",
    "For a direction, a film needs two vectors: one as the film before, one as the film after.",
    todo="Write the class `BoxSets`: `__init__(schema, dim=16)`, and `forward(batch)` with logits (B,).",
    solved="Right. Few lines, and no network in it: the data asked for none.",
    seconds=60,
)
def derive_4(answer):
    report, it = _audited(answer, "order+taste")
    items = _different(it.task.schema.item_table)
    if not report.reads["history"]:
        raise Wrong("No score moves when the history is another: the newest film asks for the next.")
    if not report.reads["order"]:
        raise Wrong(
            "Turn a history round, and no score moves: it is the newest film that asks, not all of them."
        )
    if not report.reads["user"]:
        raise Wrong("Another user with the same history gets the same scores: where is the taste?")
    if not _together(it, ("user", (2, 3)), ("item", items)):
        raise Wrong("User and film are only added: a generous user, a good film, and no taste. Multiply.")

    def row(newest: int) -> Tensor:
        past = it.rows.history[0].clone()
        past[int(it.rows.history_mask[0].sum()) - 1] = newest
        return past

    if not _together(it, ("history", (row(2), row(3))), ("item", (4, 5))):
        raise Wrong("The newest film and the target are only added: every film is followed by the same ones.")
    a, b, c = 2, 3, 4
    z = _scores(it, history=torch.stack([row(k) for k in (a, b, c, b, c, a)]), item=[b, c, a, a, b, c])
    if (z[:3].sum() - z[3:].sum()).abs() <= 1e-4 * (1 + z.abs().max()):
        raise Wrong(
            '"A asks for B" is "B asks for A" here: one table gives a product that is the same both ways.'
        )


# ------------------------------------------------------------------------------------------------------ derive-5

NEEDS = {"fading+crosses": "time", "communities": "history"}


@exercise(
    "derive-5",
    "Four criteria, one at a time: the report, what it says your model reads, the two sides, the word.",
    "`result.against('yours', 'DIN').verdict` is the word, with the name that you gave your model.",
    todo="Hand in three things: the report of `audit`, the `Trial`, and the word.",
    solved="Four of four: sound, derived, fair, honest.",
)
def derive_5(answer):
    if not isinstance(answer, tuple | list) or len(answer) != 3:
        raise Wrong("Three things are asked for, in this order: (report, result, word).")
    report, result, word = answer
    if not isinstance(report, Audit):
        raise Wrong(
            f"The first is what `rbh.inspect.audit(...)` returned; this is a {type(report).__name__}."
        )
    if not isinstance(result, Trial):
        raise Wrong(
            f"The second is what `rbh.inspect.trial(...)` returned; this is a {type(result).__name__}."
        )
    if not report.passed:
        lines = [f.name for f in report.findings if not f.passed]
        raise Wrong(f"Sound: not yet. The report does not hold in {', '.join(lines)}.")
    worlds, sides = set(result.rows["data"]), list(dict.fromkeys(result.rows["model"]))
    if len(worlds) != 1 or not worlds <= NEEDS.keys():
        raise Wrong(f"The trial was on {', '.join(sorted(worlds))}; take {' or '.join(NEEDS)}.")
    world = next(iter(worlds))
    if not report.reads.get(NEEDS[world]):
        raise Wrong(
            f"Derived: not yet. In {world} the {NEEDS[world]} decides, and your model does not read it."
        )
    if len(sides) != 2 or "DIN" not in sides:
        raise Wrong(f'Fair: not yet. Two sides are asked for, yours and "DIN"; these are {", ".join(sides)}.')
    rows = result.rows[result.rows["seed"] == 0].groupby("model").size()
    if rows.nunique() != 1 or result.chosen.groupby("model").size().min() < 3:
        raise Wrong("Fair: not yet. One side tried more step sizes, or has fewer than three starts.")
    mine = next(side for side in sides if side != "DIN")
    truth = result.against(mine, "DIN").verdict
    if str(word).strip().lower() not in ("better", "worse", "not told apart"):
        raise Wrong(f'Honest: the word is "better", "worse" or "not told apart", not {word!r}.')
    if str(word).strip().lower() != truth:
        raise Wrong(f"Honest: not yet. The interval over seeds does not say {word!r}: ask `result.against`.")
    return f"Four of four: sound, derived, fair, honest. {result.says(mine, 'DIN')}."


quiz(
    "derive",
    [
        question(
            "Click rates by how far back a similar film lies fall gently. Does that ask for places?",
            (
                "Not yet: with the number of similar films held fixed it may be level",
                True,
                "Yes. Whoever has many has a near one, too.",
            ),
            ("Yes, the curve falls", False, "It falls in the library, too, where only the number counts."),
            ("No, places never help", False, "In the newsroom they are what decides."),
        ),
        question(
            "The audit's fifteen lines hold. What do you know?",
            (
                "That fifteen kinds of fault were tried and not found",
                True,
                "Yes. It can still be a bad model, or leak by a way that was not tried.",
            ),
            ("That the model is good", False, "It was trained for three steps. Nothing was measured."),
            ("That it has no leak", False, "It may read a file, or a graph that was drawn before."),
        ),
        question(
            "You tried nine step sizes for your model and two for DIN. Your model is better by .01. What is it worth?",
            (
                "Little: the best of nine is higher than the best of two by luck alone",
                True,
                "Yes. The same budget for both sides.",
            ),
            (
                "All, since validation chose",
                False,
                "It chose among nine for one side, among two for the other.",
            ),
            ("All, if the test was looked at once", False, "That is one rule of four."),
        ),
        question(
            "You take a piece out, and the AUC is not told apart over five starts. What next?",
            (
                "Leave it out: it costs, and nothing shows that it pays",
                True,
                "Yes. Say how large an effect five starts could have shown.",
            ),
            (
                "Keep it, it cannot harm",
                False,
                "It has weights to learn, takes time, and must be maintained.",
            ),
            (
                "Run more starts until it is better",
                False,
                "Stopping when you like the answer makes luck a result.",
            ),
        ),
    ],
)
