"""The FM family against double loops written from the formulas."""

import dataclasses
import itertools

import pytest
import torch
import torch.nn.functional as F

from recbyhand.models import AFM, FM, FNN, NFM, DeepFM, MatrixFactorization, Poly2, WideDeep
from tests.factories import make_batch, make_schema

SCHEMA = make_schema()
NAMES = ["user", "item", "gender", "age", "year", "genres"]
BATCH = make_batch(SCHEMA, B=6)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def loud(model):
    """All weights random and large, in float64, so that no term can hide."""
    model = model.double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter))
    return model.eval()


def values(row):
    """The fields of one example: a list of (name, [ids])."""
    b = BATCH
    gender, age = b.user_features[row].tolist()
    year, *genres = b.item_features[row].tolist()
    ids = [[int(b.user[row])], [int(b.item[row])], [gender], [age], [year], [g for g in genres if g]]
    return list(zip(NAMES, ids, strict=True))


def field(embedding, name, ids):
    """Sum of x v over the values of a field, x = 1/n."""
    return sum(embedding.vectors(name)[i] for i in ids) / len(ids)


def linear(model, row):
    return model.bias + sum(field(model.linear, name, ids)[0] for name, ids in values(row))


def products(model, row):
    v = [field(model.embedding, name, ids) for name, ids in values(row)]
    return {(NAMES[i], NAMES[j]): v[i] * v[j] for i, j in itertools.combinations(range(len(v)), 2)}


def side_by_side(model, row):
    return torch.cat([field(model.embedding, name, ids) for name, ids in values(row)])


def mlp(net, x):
    layers = [layer for layer in net if isinstance(layer, torch.nn.Linear)]
    for layer in layers[:-1]:
        x = F.relu(layer.weight @ x + layer.bias)
    return layers[-1].weight @ x + layers[-1].bias


def crossed(layer, row):
    """Sum over the chosen pairs and the values in them."""
    fields, total, start = dict(values(row)), 0.0, 0
    size = {f.name: f.size for f in SCHEMA.fields}
    for a, b in layer.pairs:
        for i, j in itertools.product(fields[a], fields[b]):
            w = layer.table.weight[start + i * size[b] + j, 0]
            total = total + w / len(fields[a]) / len(fields[b])
        start += size[a] * size[b]
    return total


def agree(model, by_hand):
    expected = torch.stack([by_hand(row) for row in range(len(BATCH))])
    assert torch.allclose(model(BATCH), expected, rtol=1e-9, atol=1e-9)


def test_fm():
    model = loud(FM(SCHEMA, dim=3))
    agree(model, lambda row: linear(model, row) + sum(e.sum() for e in products(model, row).values()))


def test_fm_does_not_care_for_the_order_of_fields():
    model = loud(FM(SCHEMA, dim=3))
    turned = make_schema(
        user_fields=SCHEMA.user_fields[::-1],
        user_table=SCHEMA.user_table.flip(1),
        item_table=SCHEMA.item_table,
    )
    other = loud(FM(turned, dim=3))
    with torch.no_grad():
        other.bias.copy_(model.bias)
        for name in NAMES:
            other.linear.vectors(name).copy_(model.linear.vectors(name))
            other.embedding.vectors(name).copy_(model.embedding.vectors(name))
    batch = make_batch(SCHEMA)
    assert torch.allclose(other(dataclasses.replace(batch, schema=turned)), model(batch))


@pytest.mark.parametrize("pairs", [None, [("user", "genres"), ("genres", "year")], []])
def test_poly2(pairs):
    model = loud(Poly2(SCHEMA, pairs=pairs))
    agree(model, lambda row: linear(model, row) + crossed(model.crosses, row))


def test_poly2_knows_nothing_of_unseen_pairs_where_fm_does():
    """One gradient step on one example: its pairs move, all others keep weight 0."""
    poly2, fm = Poly2(SCHEMA), FM(SCHEMA)
    batch = make_batch(SCHEMA, B=1)
    for model in (poly2, fm):
        optimiser = torch.optim.AdamW(model.parameters(), lr=0.1)
        F.binary_cross_entropy_with_logits(model(batch), batch.label).backward()
        optimiser.step()
    assert int((poly2.crosses.table.weight != 0).sum()) == 2 * (1 + len(values_of_genres(batch)))
    assert poly2.crosses.sizes == [4 * 7, 4 * 9, 6 * 7, 6 * 9]


def values_of_genres(batch):
    return [g for g in batch.item_features[0, 1:].tolist() if g]


def test_fnn():
    model = loud(FNN(SCHEMA, dim=3, hidden=(5, 4)))

    def by_hand(row):
        z = [model.bias[None]]
        for name, ids in values(row):
            z += [field(model.linear, name, ids), field(model.embedding, name, ids)]
        return mlp(model.mlp, torch.cat(z))[0]

    agree(model, by_hand)


def test_fnn_starts_from_the_fm_and_leaves_it_alone():
    fm = loud(FM(SCHEMA, dim=3)).float()
    fnn = FNN.from_fm(fm, hidden=(8,))
    assert fnn.settings["dim"] == 3
    for part in ("bias", "linear.table.weight", "embedding.table.weight"):
        assert torch.equal(fnn.state_dict()[part], fm.state_dict()[part])
    before = {name: value.clone() for name, value in fm.state_dict().items()}
    optimiser = torch.optim.SGD(fnn.parameters(), lr=1.0)
    F.binary_cross_entropy_with_logits(fnn(BATCH), BATCH.label).backward()
    optimiser.step()
    assert all(torch.equal(before[name], value) for name, value in fm.state_dict().items())


@pytest.mark.parametrize("other", [MatrixFactorization(SCHEMA), AFM(SCHEMA), FM])
def test_fnn_starts_from_nothing_but_an_fm(other):
    with pytest.raises(TypeError, match=r"takes a trained FM.*got"):
        FNN.from_fm(other)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_nfm(batch_norm):
    model = loud(NFM(SCHEMA, dim=3, hidden=(5,), batch_norm=batch_norm))

    def by_hand(row):
        f = sum(products(model, row).values())
        if batch_norm:  # in eval: running mean 0 and variance 1
            f = model.norm.gain * f / (1 + 1e-5) ** 0.5 + model.norm.bias
        return linear(model, row) + mlp(model.mlp, f)[0]

    agree(model, by_hand)


def test_nfm_without_hidden_layer_and_weights_of_one_is_fm():
    fm, nfm = loud(FM(SCHEMA, dim=3)), loud(NFM(SCHEMA, dim=3, hidden=()))
    nfm.load_state_dict(fm.state_dict(), strict=False)
    with torch.no_grad():
        nfm.mlp[-1].weight.fill_(1)
        nfm.mlp[-1].bias.fill_(0)
    assert torch.allclose(nfm(BATCH), fm(BATCH))


@pytest.mark.parametrize("crosses", [None, [("age", "genres")], []])
def test_wide_deep(crosses):
    model = loud(WideDeep(SCHEMA, dim=3, hidden=(5, 4), crosses=crosses))

    def by_hand(row):
        return linear(model, row) + crossed(model.crosses, row) + mlp(model.mlp, side_by_side(model, row))[0]

    agree(model, by_hand)


def test_deepfm_by_sum():
    model = loud(DeepFM(SCHEMA, dim=3, hidden=(5, 4)))

    def by_hand(row):
        fm = linear(model, row) + sum(e.sum() for e in products(model, row).values())
        return fm + mlp(model.mlp, side_by_side(model, row))[0]

    agree(model, by_hand)


def test_deepfm_by_concatenation_and_that_it_contains_the_sum():
    model = loud(DeepFM(SCHEMA, dim=3, hidden=(5, 4), merge="concat"))

    def by_hand(row):
        both = torch.cat([sum(products(model, row).values()), mlp(model.mlp, side_by_side(model, row))])
        return linear(model, row) + model.merge.weight[0] @ both

    agree(model, by_hand)
    added = loud(DeepFM(SCHEMA, dim=3, hidden=(5, 4)))
    added.load_state_dict({k: v for k, v in model.state_dict().items() if "mlp.6" not in k}, strict=False)
    with torch.no_grad():
        a_f, a_deep = model.merge.weight[0, :3], model.merge.weight[0, 3:]
        a_f.fill_(1)
        added.mlp[-1].weight.copy_(a_deep @ model.mlp[-1].weight)
        added.mlp[-1].bias.copy_(a_deep @ model.mlp[-1].bias)
    assert torch.allclose(added(BATCH), model(BATCH))
    with pytest.raises(ValueError, match="sum"):
        DeepFM(SCHEMA, merge="mean")


def afm_weights(model, row):
    s = {
        pair: model.h @ F.relu(model.W.weight @ e + model.W.bias) for pair, e in products(model, row).items()
    }
    total = sum(torch.exp(x) for x in s.values())
    return {pair: torch.exp(x) / total for pair, x in s.items()}


def test_afm_and_the_weights_it_really_used():
    model = loud(AFM(SCHEMA, dim=3, attention_dim=4))

    def by_hand(row):
        a, e = afm_weights(model, row), products(model, row)
        return linear(model, row) + model.p @ sum(a[pair] * e[pair] for pair in e)

    agree(model, by_hand)
    a = model.attention(BATCH)
    assert model.pairs == list(itertools.combinations(NAMES, 2))
    assert a.shape == (6, 15)
    assert torch.allclose(a.sum(1), torch.ones(6, dtype=torch.float64))
    for row in range(6):
        assert torch.allclose(a[row], torch.stack([afm_weights(model, row)[pair] for pair in model.pairs]))


def test_afm_gives_pairs_with_an_absent_field_no_weight():
    model = loud(AFM(SCHEMA, dim=3))
    with torch.no_grad():
        model.embedding.table.weight[0] = 0
    schema = make_schema()
    schema.item_table[7, 1:] = 0  # a film without genres
    batch = make_batch(schema, item=[8, 9, 7, 8, 9, 8, 9, 8])
    a = model.attention(batch)
    absent = torch.tensor(["genres" in pair for pair in model.pairs])
    assert torch.equal(a[2, absent], torch.zeros(5, dtype=torch.float64))
    assert torch.allclose(a.sum(1), torch.ones(8, dtype=torch.float64))
    assert (a[0] > 0).all()


def test_afm_with_equal_weights_is_the_mean_of_the_pairs():
    model = loud(AFM(SCHEMA, dim=3))
    with torch.no_grad():
        model.h.zero_()
    assert torch.allclose(model.attention(BATCH), torch.full((6, 15), 1 / 15, dtype=torch.float64))
