"""Checks of features."""

from __future__ import annotations

import math

import torch

from recbyhand.exercises.engine import Wrong, call, close, exercise, function, one_of_wrong, shape
from recbyhand.exercises.quizzes import question, quiz


def _ages(generator):
    edges = sorted(set(torch.randint(10, 80, (5,), generator=generator).tolist()))
    age = int(torch.randint(5, 90, (1,), generator=generator))
    return age, edges


@exercise(
    "feat-1",
    "The bucket of an age is the number of edges that it has reached.",
    "Real values start at id 2. What is the id of a value that nobody knows?",
    "`1 if age is None else 2 + sum(age >= edge for edge in edges)`",
    todo="Complete `age_id(age, edges)`: it returns an id, a whole number.",
    solved="Missing is 1, the lowest bucket 2, and an edge belongs to the bucket that it opens.",
)
def feat_1(answer):
    def bucket(age, edges):
        return sum(age >= edge for edge in edges)

    edges = [18, 25, 35, 45, 50, 56]
    drawn = [_ages(torch.Generator().manual_seed(seed)) for seed in range(5)]
    function(
        lambda age, edges: int(call(answer, age, edges)),
        [*((age, edges) for age in (3, 17, 18, 24, 25, 55, 56, 90)), *drawn],
        lambda age, edges: 2 + bucket(age, edges),
        wrong=[
            (bucket, "Ids 0 and 1 are taken: padding and unknown. The lowest bucket has id 2."),
            (lambda a, e: 1 + bucket(a, e), "Id 1 is 'unknown'. The lowest bucket has id 2."),
            (
                lambda a, e: 2 + sum(a > edge for edge in e),
                "An age that equals an edge belongs to the bucket which the edge opens: 18 is not under 18.",
            ),
            (
                lambda a, e: max([2, *(edge for edge in e if a >= edge)]),
                "That is the edge itself. The id counts buckets: 2, 3, 4 and so on.",
            ),
            (lambda a, e: 3 + bucket(a, e), "One too many: below the first edge the id is 2."),
            (
                lambda a, e: 2 + min(bucket(a, e), len(e) - 1),
                "There is one bucket more than edges: from the last edge on a new one begins.",
            ),
            (
                lambda a, e: 2 + len(e) - bucket(a, e),
                "You count the edges that lie above the age. Count those that it has reached.",
            ),
        ],
    )
    if int(call(answer, 0, edges)) != 2:
        raise Wrong(
            "Age 0 is an age, in the lowest bucket. Ask `age is None`: `not age` holds for 0 as well."
        )
    unknown = call(answer, None, edges)
    if int(unknown) == 0:
        raise Wrong("A missing age is unknown, id 1. Id 0 is padding: a place without any value.")
    if int(unknown) != 1:
        raise Wrong("A missing age (`None`) has id 1, unknown; it is in no bucket.")


@exercise(
    "feat-2",
    "The offset of a field is how many rows the fields before it take.",
    "The offsets are 0, 9, 9 + 4, 9 + 4 + 23. Add the ids.",
    todo="Replace the `...` by the four rows, such as [1, 2, 3, 4].",
    solved="Each field has its rows, and padding and unknown of every field are among them.",
)
def feat_2(answer):
    sizes, ids = (9, 4, 23, 11), (3, 2, 10, 4)
    starts = [sum(sizes[:f]) for f in range(4)]
    one_of_wrong(
        answer,
        [
            (ids, "These are the ids themselves. Without offsets all four fields read the same few rows."),
            (starts, "These are the offsets. Add the ids: the fourth field reads row 36 + 4."),
            (
                [i + sum(sizes[: f + 1]) for f, i in enumerate(ids)],
                "You shifted each field by its own size too. The first field starts at row 0.",
            ),
            (
                [i + sum(s - 2 for s in sizes[:f]) for f, i in enumerate(ids)],
                "The sizes count padding and unknown already, and those rows are in the table: take nothing off.",
            ),
            (
                [i + s - 2 for i, s in zip(ids, starts, strict=True)],
                "Ids start at 0 with padding: id 3 of the first field is row 3.",
            ),
            (
                [i + s - 1 for i, s in zip(ids, starts, strict=True)],
                "Rows are counted from 0, as ids are: id 3 of the first field is row 3.",
            ),
            (
                [i + s + 1 for i, s in zip(ids, starts, strict=True)],
                "One row too far: the first field starts at row 0, and its id 3 reads row 3.",
            ),
            (
                [i + s - f for f, (i, s) in enumerate(zip(ids, starts, strict=True))],
                "You let the fields share a padding row. Each has its own: the sizes as they are.",
            ),
            (
                [i + sizes[max(f - 1, 0)] * (f > 0) for f, i in enumerate(ids)],
                "An offset is the size of all fields before, not only of the one before.",
            ),
            (
                [i + s for i, s in zip(ids, sizes, strict=True)],
                "You added each field's own size. Its rows begin where the fields BEFORE it end.",
            ),
            (
                [i + sum(sizes[f + 1 :]) for f, i in enumerate(ids)],
                "You stacked the tables in reverse order: the first field's rows come first.",
            ),
        ],
    )
    close(answer, [i + s for i, s in zip(ids, starts, strict=True)])


def _fields(generator):
    """Three fields of widths 1, 3 and 2; the third is empty in the first row; padding stands anywhere."""
    widths, sizes = [1, 3, 2], [4, 6, 5]
    tables = [torch.randn(size, 2, generator=generator) for size in sizes]
    ids = torch.cat(
        [torch.randint(1, s, (4, w), generator=generator) for s, w in zip(sizes, widths, strict=True)], 1
    )
    ids[0, 4:], ids[1, 1], ids[2, 3], ids[3, 1:3] = 0, 0, 0, 0
    return tables, ids, widths


def _mean_of_fields(divide):
    def means(tables, ids, widths):
        rows, start = [], 0
        for table, width in zip(tables, widths, strict=True):
            block = ids[:, start : start + width].tolist()
            rows.append(torch.stack([divide(table, row) for row in block]))
            start += width
        return torch.stack(rows, 1)

    return means


def _real_mean(table, row):
    real = [table[i] for i in row if i > 0]
    return sum(real) / len(real) if real else torch.zeros(table.shape[1])


@exercise(
    "feat-3",
    "Cut `ids` into one block of columns per field: `ids.split(widths, dim=1)`.",
    "Multiply the vectors of a block (B, n, d) by the mask (B, n, 1), sum over n, divide by the number of real ids.",
    "`real.sum(1).clamp(min=1)` divides an empty field by 1; `torch.stack(vectors, dim=1)` puts the fields together.",
    todo="Complete `field_means(tables, ids, widths)`: it returns a tensor (B, F, d).",
    solved="Padding may now stand anywhere and hold anything: it does not count.",
)
def feat_3(answer):
    def zero_row(table):
        return torch.cat([torch.zeros(1, table.shape[1]), table[1:]])

    def over_width(table, row):
        return sum(zero_row(table)[i] for i in row) / len(row)

    def padding_read(table, row):
        return sum(table[i] for i in row) / max(sum(i > 0 for i in row), 1)

    def known_only(table, row):
        return _real_mean(table, [i if i > 1 else 0 for i in row])

    def leading_or_none(table, row):
        n = sum(i > 0 for i in row)
        return sum(table[i] for i in row[:n]) / n if n else torch.zeros(table.shape[1])

    def leading(table, row):
        n = max(sum(i > 0 for i in row), 1)
        return sum(table[i] for i in row[:n]) / n

    slips = [
        (lambda table, row: sum(table[i] for i in row) / len(row), "Padding (id 0) is averaged in: mask it."),
        (over_width, "You divide by the width of the field; divide by the number of real values, x = 1/n."),
        (padding_read, "The division is right, but the vector of row 0 is still in the sum: mask it."),
        (
            lambda table, row: sum(zero_row(table)[i] for i in row),
            "That is the sum. Divide by n, the real values.",
        ),
        (lambda table, row: table[row[0]], "You look at the first column of each field only."),
        (known_only, "Id 1, unknown, is a value and has a vector. Only id 0 is padding."),
        (
            leading_or_none,
            "You count the real values, then take that many from the left. Padding may stand anywhere.",
        ),
        (
            leading,
            "You count the real values, then take that many from the left. Padding may stand anywhere.",
        ),
        (
            lambda table, row: sum(zero_row(table)[i] for i in row) / (sum(i > 0 for i in row) + 1),
            "You divide by one too many. Only an empty field needs help: clamp the divisor at 1.",
        ),
    ]
    inputs = [_fields(torch.Generator().manual_seed(seed)) for seed in range(4)]

    def checked(tables, ids, widths):
        out = call(answer, tables, ids, widths)
        if isinstance(out, torch.Tensor) and tuple(out.shape) == (4, 6):
            raise Wrong("These are the flattened vectors. Return (B, F, d): stack along dim=1.")
        shape(out, (4, 3, 2), "B, F, d")
        if bool(torch.isnan(torch.as_tensor(out)).any()):
            raise Wrong("NaN: a field without any value divides by 0. Its vector is zero: clamp the divisor.")
        return out

    whole = [(_mean_of_fields(f), text) for f, text in slips]
    whole.append(
        (
            lambda tables, ids, widths: torch.stack([t[ids[:, f]] for f, t in enumerate(tables)], 1),
            "You take one column for each field. Field f owns `widths[f]` columns, next to each other.",
        )
    )
    function(checked, inputs, _mean_of_fields(_real_mean), whole)
    tables, ids, widths = inputs[0]
    shape(call(answer, tables, ids[1:2], widths), (1, 3, 2), "B, F, d; this is a batch of one row")


@exercise(
    "feat-4",
    "With equal features the model says the same p about both. Which p is best, if 6 of their 10 rows are ones?",
    "The best constant p for labels that are 1 in a share p has log loss −p ln p − (1 − p) ln(1 − p).",
    "Blind: H(0.6). With ids: (H(0.9) + H(0.3)) / 2.",
    todo="Replace the `...` by the difference of the two log losses, a number.",
    solved="It is also the information (in nats) that knowing the person gives about the label.",
)
def feat_4(answer):
    def h(p):
        return -p * math.log(p) - (1 - p) * math.log(1 - p)

    blind, ids = h(0.6), (h(0.9) + h(0.3)) / 2
    one_of_wrong(
        answer,
        [
            (blind, "That is the log loss of features only. Subtract what a model that knows both reaches."),
            (ids, "That is the log loss of a model that knows who is who. The difference is asked for."),
            (ids - blind, "The other way round: how much lower is the loss of the model with ids?"),
            ((blind - ids) / math.log(2), "That is in bits. Use the natural logarithm."),
            (
                math.log(2) - ids,
                "Features can do better than one half: 6 in 10 of these rows are likes, so say 0.6.",
            ),
            (
                blind - h(0.9) - h(0.3),
                "The log loss is a mean over all rows: half of them are Ann's, half Cho's.",
            ),
            (
                2 * (blind - ids),
                "That is a sum over two people. The log loss is a mean over all rows, half of them Ann's.",
            ),
            (blind - h(0.9), "Cho's rows count as well: the mean of H(0.9) and H(0.3) comes off."),
            (blind - h(0.3), "Ann's rows count as well: the mean of H(0.9) and H(0.3) comes off."),
            (blind / ids, "That is a quotient. The difference is asked for."),
            (0.09, "That is the difference in mean squared error. The log loss is asked for."),
            (
                -0.6 * math.log(0.6) + (0.9 * math.log(0.9) + 0.3 * math.log(0.3)) / 2,
                "Only the likes are in there. The other rows cost too: -(1 - p) ln(1 - p).",
            ),
        ],
    )
    close(answer, blind - ids, atol=6e-4)  # three digits will do


def _columns(generator):
    train = torch.randint(0, 9, (12, 3), generator=generator)
    return train, torch.randint(0, 14, (10, 3), generator=generator)


def _unseen(keep=lambda i: i >= 2, seen=lambda train, c: train[:, c], weight=None):
    def shares(train, test):
        answer = []
        for c in range(test.shape[1]):
            known = set(seen(train, c).flatten().tolist())
            column = test[:, c].tolist()
            values = column if weight is None else weight(column)
            cold = [i for i in values if keep(i) and i not in known]
            answer.append(len(cold) / max(len(values), 1))
        return torch.tensor(answer)

    return shares


@exercise(
    "feat-5",
    "`torch.isin(test[:, c], train[:, c])` says for each test row whether training has seen its value.",
    "A row counts if its id is at least 2 and not seen; padding and unknown are no new values.",
    "Take the mean of `(test >= 2) & ~torch.isin(test, train)` over the rows, column by column.",
    todo="Complete `unseen(train_ids, test_ids)`: it returns one share per column.",
    solved="Now look which columns are cold: the ids of new people are new, but are the values in their forms?",
)
def feat_5(answer):
    def shares(train, test):
        out = call(answer, train, test)
        if isinstance(out, dict):
            out = list(out.values())
        if getattr(out, "ndim", 1) == 2:
            raise Wrong(
                "That is a number for each row and column. Take the mean over the rows: one share a column."
            )
        if getattr(out, "ndim", 1) == 0:
            raise Wrong(
                "One number for all columns. Some may be cold and others not: return one share for each."
            )
        return torch.as_tensor([float(v) for v in out])

    function(
        shares,
        _columns,
        _unseen(),
        wrong=[
            (
                _unseen(lambda i: True),
                "Ids 0 and 1 are no new values: count a row only if its id is 2 or more.",
            ),
            (_unseen(lambda i: i > 0), "Id 1 is unknown, which is no new value: count ids of 2 or more."),
            (
                _unseen(seen=lambda train, c: train),
                "Compare column with column: id 5 of one field has nothing to do with id 5 of another.",
            ),
            (
                lambda train, test: _unseen()(test, train),
                "The other way round: values of the test which training has not seen.",
            ),
            (
                _unseen(weight=lambda column: sorted(set(column))),
                "You count different values; a value that stands in many test rows counts once for each row.",
            ),
            (
                _unseen(weight=lambda column: sorted({i for i in column if i >= 2})),
                "You count different values; a value that stands in many test rows counts once for each row.",
            ),
            (
                _unseen(weight=lambda column: [i for i in column if i >= 2]),
                "Yours is a share of the rows with a real id. Asked is that of all test rows.",
            ),
            (
                lambda train, test: (test > train.amax(0)).double().mean(0),
                "You ask which ids are larger than any in training. There may be gaps below: look each one up.",
            ),
            (_unseen(lambda i: i > 2), "Id 2 is the first real value: count ids of 2 or more."),
            (
                lambda train, test: _unseen()(train, test) * len(test) / len(train),
                "You divide by the rows of training. Asked is a share of the test rows.",
            ),
            (
                lambda train, test: _unseen(lambda i: i >= 2)(train[:0], test) - _unseen()(train, test),
                "Turned round: that is the share of test rows whose real id training knows.",
            ),
            (
                lambda train, test: 1 - _unseen()(train, test),
                "That is the share of rows that training knows.",
            ),
            (
                lambda train, test: _unseen()(train, test) * len(test),
                "These are numbers of rows; divide by how many test rows there are.",
            ),
        ],
    )


quiz(
    "features",
    [
        question(
            "A newcomer has filled in a form and stands in front of films with many ratings. Which fields should the "
            "model that serves them have?",
            (
                "their features and the features of the films",
                False,
                "The films are old: do not throw away what their ids have learned.",
            ),
            (
                "their features and the film ids (with the films' features, if you like)",
                True,
                "Yes: only the id of the side that is cold has nothing to say.",
            ),
            (
                "user ids and film ids",
                False,
                "No training has touched the newcomer's vector: it is a random start.",
            ),
        ),
        question(
            "One joint table holds an age field of 9 ids and an occupation field of 23, in this order. What must hold?",
            (
                "occupation id i reads row 9 + i",
                True,
                "Yes. The ranges are disjoint, so no row means two things.",
            ),
            ("occupation id i reads row i", False, "Then row 2 is an age and an occupation at once."),
            ("both fields have equally many ids", False, "Sizes may differ; ranges may not overlap."),
            ("the table has 23 rows", False, "It has 9 + 23: one row per value of every field."),
        ),
        question(
            "A film has 2 genres in a field of width 6. What is the genre vector?",
            (
                "the sum of six rows divided by 6",
                False,
                "Then the vector shrinks with the longest list in the data.",
            ),
            ("the sum of two rows divided by 2", True, "Yes, x = 1/n with n the number of real values."),
            ("the first genre's row", False, "Both count alike; their order says nothing."),
        ),
        question(
            "In another service, a model with ids gains nothing from year and genres on warm rows. A likely reason?",
            (
                "Year and genres have nothing to do with taste",
                False,
                "On new films the same features may help.",
            ),
            (
                "They are functions of the film's id, whose vector had enough ratings to learn them",
                True,
                "Yes. Features lend to films without ratings what their kind has taught.",
            ),
            (
                "Features need a larger learning rate",
                False,
                "The step size decides how fast, not what can be gained.",
            ),
        ),
    ],
)
