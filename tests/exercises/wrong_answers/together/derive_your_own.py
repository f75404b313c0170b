"""Wrong answers to the exercises of *Derive your own*, and a part of the hint that each must get."""

import dataclasses

import pandas as pd
import torch
from torch import nn

from recbyhand import layers
from recbyhand.inspect.audit import Audit, Finding
from recbyhand.inspect.trial import Trial

# ------------------------------------------------------------------------------------------------------ derive-2


def asked(model, batch, label, training=False):
    was = model.training
    model.train(training)
    with torch.no_grad():
        answers = model(batch), model(dataclasses.replace(batch, label=label))
    model.train(was)
    return answers


def in_training_mode(model, batch):
    with torch.no_grad():
        return not torch.equal(model(batch), model(dataclasses.replace(batch, label=1 - batch.label)))


def zeros(model, batch):
    return not torch.equal(*asked(model, batch, torch.zeros_like(batch.label)))


def means(model, batch):
    a, b = asked(model, batch, 1 - batch.label)
    return not torch.allclose(a.mean(), b.mean(), atol=1e-4)


def all_rows(model, batch):
    a, b = asked(model, batch, 1 - batch.label)
    return bool((a != b).all())


def in_place(model, batch):
    was, _ = model.training, model.eval()
    with torch.no_grad():
        a = model(batch)
        batch.label.neg_().add_(1)
        b = model(batch)
    model.train(was)
    return not torch.equal(a, b)


def left_in_evaluation(model, batch):
    model.eval()
    return not torch.equal(model(batch), model(dataclasses.replace(batch, label=1 - batch.label)))


def scores(model, batch):
    return asked(model, batch, 1 - batch.label)[1]


# --------------------------------------------------------------------------------------------- derive-3, derive-4


class Base(nn.Module):
    def __init__(self, schema, dim=4, unit=1):
        super().__init__()
        self.item = layers.ItemVectors(schema, dim)
        self.unit = layers.LocalActivationUnit(unit * dim)
        self.mlp = layers.MLP([3 * dim, 8, 1])
        self.field = layers.FeatureEmbedding((*schema.user_fields, *schema.item_fields), dim)
        self.meet = layers.FMInteraction(scalar=True)
        self.place = layers.LearnedPositions(dim, schema.history + 1)

    def cross(self, batch):
        return self.meet(self.field(torch.cat([batch.user_features, batch.item_features], dim=1)))

    def back(self, batch):
        return layers.age(batch.history_mask)

    def interest(self, batch):
        e, t = self.item(batch.history), self.item(batch.item)
        e = e + self.place(self.back(batch))
        x = layers.weighted_sum(self.unit(t, e, batch.history_mask), e)
        return self.mlp(torch.cat([x, t, x * t], dim=1)).squeeze(-1)

    def forward(self, batch):
        return self.interest(batch) + self.cross(batch)


class NoPlaces(Base):
    def __init__(self, schema):
        super().__init__(schema)
        del self.place

    def interest(self, batch):
        e, t = self.item(batch.history), self.item(batch.item)
        x = layers.weighted_sum(self.unit(t, e, batch.history_mask), e)
        return self.mlp(torch.cat([x, t, x * t], dim=1)).squeeze(-1)


class NoCross(Base):
    def __init__(self, schema):
        super().__init__(schema)
        del self.field

    def forward(self, batch):
        return self.interest(batch)


class FromTheFront(Base):
    def back(self, batch):
        return torch.arange(batch.history.shape[1]).expand_as(batch.history)


class OnlyAdded(Base):
    def __init__(self, schema):
        super().__init__(schema)
        del self.unit
        self.mlp = nn.Linear(8, 1)

    def interest(self, batch):
        e = (self.item(batch.history) + self.place(self.back(batch))).square() * batch.history_mask[..., None]
        return self.mlp(torch.cat([e.sum(1), self.item(batch.item)], dim=1)).squeeze(-1)


class Unsqueezed(Base):
    def forward(self, batch):
        return self.interest(batch)[:, None] + self.cross(batch)


class FeaturesOnly(Base):
    def __init__(self, schema):
        super().__init__(schema)
        del self.unit, self.mlp, self.place, self.item

    def forward(self, batch):
        return self.cross(batch)


class Box(nn.Module):
    def __init__(self, schema, dim=4):
        super().__init__()
        self.user, self.item = (layers.id_embedding(n, dim) for n in (schema.n_users, schema.n_items))
        self.last, self.next = (layers.id_embedding(schema.n_items, dim) for _ in range(2))

    def newest(self, batch):
        return self.last((batch.history * (layers.age(batch.history_mask) == 1)).sum(1))

    def taste(self, batch):
        return (self.user(batch.user) * self.item(batch.item)).sum(1)

    def follows(self, batch):
        return (self.newest(batch) * self.next(batch.item)).sum(1)

    def forward(self, batch):
        return self.taste(batch) + self.follows(batch)


class NoTaste(Box):
    def __init__(self, schema):
        super().__init__(schema)
        del self.user, self.item

    def taste(self, batch):
        return 0


class Generous(Box):
    def taste(self, batch):
        return self.user(batch.user).sum(1) + self.item(batch.item).sum(1)


class Pooled(Box):
    def newest(self, batch):
        return layers.weighted_sum(batch.history_mask.float(), self.last(batch.history))


class LastColumn(Box):
    def newest(self, batch):
        return self.last(batch.history[:, -1])


class OneTable(Box):
    def __init__(self, schema):
        super().__init__(schema)
        self.next = self.last


class AddedLast(Box):
    def follows(self, batch):
        return self.newest(batch).sum(1) + self.next(batch.item).sum(1)


class TasteOnly(Box):
    def __init__(self, schema):
        super().__init__(schema)
        del self.last, self.next

    def follows(self, batch):
        return 0


# ------------------------------------------------------------------------------------------------------ derive-5


def report(passed=True, **reads):
    everything = dict.fromkeys(("user", "item", "history", "order", "time"), True)
    return Audit("Mine", (Finding("leakage", "blind to padding", passed, ""),), everything | reads)


def result(data="fading+crosses", sides=("Mine", "DIN"), lead=0.02, seeds=3, rates=2):
    rows = []
    for side in sides:
        tried = [(0, False)] * ((rates if side == "Mine" else 2) - 1) + [
            (seed, True) for seed in range(seeds)
        ]
        rows += [
            {"data": data, "model": side, "lr": 0.01, "seed": seed, "chosen": chosen, "valid": 0.8,
             "test_auc": 0.8 + 0.001 * seed + lead * (side == "Mine") * (1 + 0.1 * seed)}
            for seed, chosen in tried
        ]  # fmt: skip
    return Trial(pd.DataFrame(rows))


WRONG = [
    ("derive-1", "kept the axis", lambda w, ids: w.forward(ids), "would be broadcast"),
    ("derive-1", "bare squeeze", lambda w, ids: torch.squeeze(w(ids)), "A bare squeeze"),
    ("derive-1", "the first pair", lambda w, ids: w(ids).select(1, 0), "the second is lost"),
    ("derive-1", "the whole batch", lambda w, ids: torch.sum(w(ids)), "not over the rows"),
    ("derive-1", "a mean", lambda w, ids: w(ids).sum(1) / w(ids).shape[1], "A mean over the pairs"),
    ("derive-2", "in training mode", in_training_mode, "ask in evaluation mode"),
    ("derive-2", "all labels 0", zeros, "where the labels are all 0"),
    ("derive-2", "means", means, "not the mean"),
    ("derive-2", "all rows must move", all_rows, "one score that moves is enough"),
    ("derive-2", "in place", in_place, "change a copy"),
    ("derive-2", "left in evaluation", left_in_evaluation, "left in another mode"),
    ("derive-2", "scores", scores, "True or False is asked for"),
    ("derive-3", "no places", NoPlaces, "which four were the last"),
    ("derive-3", "no cross", NoCross, "do not act together"),
    ("derive-3", "places from the front", FromTheFront, "two more columns of padding before"),
    ("derive-3", "only added", OnlyAdded, "History and target are only added"),
    ("derive-3", "unsqueezed", Unsqueezed, "The audit says, one logit per row"),
    ("derive-3", "features only", FeaturesOnly, "the last four events decide here"),
    ("derive-4", "no taste", NoTaste, "where is the taste"),
    ("derive-4", "a generous user", Generous, "no taste. Multiply"),
    ("derive-4", "all films ask", Pooled, "not all of them"),
    ("derive-4", "the last column", LastColumn, "The audit says, blind to padding"),
    ("derive-4", "one table", OneTable, "the same both ways"),
    ("derive-4", "added", AddedLast, "followed by the same ones"),
    ("derive-4", "taste only", TasteOnly, "the newest film asks for the next"),
    ("derive-5", "a fault", (report(passed=False), result(), "better"), "Sound: not yet"),
    ("derive-5", "another world", (report(), result(data="drift"), "better"), "The trial was on drift"),
    ("derive-5", "blind to time", (report(time=False), result(), "better"), "Derived: not yet"),
    ("derive-5", "against FM", (report(), result(sides=("Mine", "FM")), "better"), 'yours and "DIN"'),
    ("derive-5", "more step sizes", (report(), result(rates=5), "better"), "tried more step sizes"),
    ("derive-5", "hope", (report(), result(lead=0.0), "better"), "does not say 'better'"),
    ("derive-5", "a sentence", (report(), result(), "it is better!"), "Honest: the word is"),
    ("derive-5", "two things", (report(), result()), "Three things"),
    ("derive-5", "swapped", (result(), report(), "better"), "The first is what"),
]
