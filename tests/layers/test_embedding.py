"""FeatureEmbedding and CrossedWeights against loops over single values."""

import pytest
import torch
from torch import nn

from recbyhand.data import Field
from recbyhand.layers import (
    CrossedWeights,
    FeatureEmbedding,
    batch_aware_penalty,
    feature_pairs,
    id_embedding,
)
from tests.factories import make_batch, make_schema

FIELDS = (Field("colour", 5), Field("genres", 9, 3), Field("year", 4))
IDS = torch.tensor([[2, 3, 8, 0, 2], [4, 5, 0, 0, 3], [0, 0, 0, 0, 1], [3, 2, 3, 4, 2]])


def test_id_embedding_starts_small_with_silent_padding_and_unknown():
    table = id_embedding(1000, 16)
    assert table.padding_idx == 0
    assert torch.equal(table.weight[:2], torch.zeros(2, 16))
    assert 0.04 < table.weight[2:].std() < 0.06


def test_one_vector_per_field_and_the_mean_of_several_values():
    layer = FeatureEmbedding(FIELDS, 4)
    out = layer(IDS)
    assert out.shape == (4, 3, 4)
    genres = layer.vectors("genres")
    assert torch.allclose(out[0, 0], layer.vectors("colour")[2])
    assert torch.allclose(out[0, 1], (genres[3] + genres[8]) / 2)
    assert torch.allclose(out[1, 1], genres[5])
    assert torch.allclose(out[3, 1], genres[2:5].mean(0))
    assert torch.allclose(out[3, 2], layer.vectors("year")[2])
    assert torch.equal(out[2], torch.zeros(3, 4))  # absent, and unknown before training


def test_fields_do_not_share_rows():
    layer = FeatureEmbedding(FIELDS, 4)
    out = layer(torch.full((1, 5), 2))
    assert not torch.allclose(out[0, 0], out[0, 1])
    assert not torch.allclose(out[0, 0], out[0, 2])
    assert sum(len(layer.vectors(field.name)) for field in FIELDS) == len(layer.table.weight)


def test_padding_columns_do_not_matter_and_get_no_gradient():
    layer = FeatureEmbedding(FIELDS, 4)
    with torch.no_grad():
        layer.table.weight.normal_()  # padding rows too: they must not count even then
        layer.table.weight[0] = 0
    moved = IDS[:, [0, 3, 2, 1, 4]]  # the same genres in another order
    assert torch.allclose(layer(IDS), layer(moved))
    layer(IDS).sum().backward()
    starts = torch.tensor([0, 5, 14])
    assert torch.equal(layer.table.weight.grad[starts], torch.zeros(3, 4))
    assert layer.table.weight.grad[5 + 3].abs().sum() > 0


def test_without_multivalued_fields_the_lookup_is_plain():
    layer = FeatureEmbedding((Field("a", 5), Field("b", 6)), 3)
    layer(torch.tensor([[0, 0]])).sum().backward()
    assert torch.equal(layer.table.weight.grad, torch.zeros(11, 3))  # padding of either field stays zero
    assert torch.equal(layer(torch.tensor([[2, 5]]))[0, 1], layer.vectors("b")[5])


def test_present_and_values():
    layer = FeatureEmbedding(FIELDS, 2)
    assert layer.present(IDS).tolist() == [[True] * 3, [True] * 3, [False, False, True], [True] * 3]
    assert torch.allclose(layer.values(IDS)[0], torch.tensor([1, 0.5, 0.5, 0, 1]))
    assert torch.allclose(layer.values(IDS)[3], torch.tensor([1, 1 / 3, 1 / 3, 1 / 3, 1]))


def test_gradcheck():
    torch.manual_seed(0)
    layer = FeatureEmbedding(FIELDS, 2).double()

    def out(weight):
        return torch.func.functional_call(layer, {"table.weight": weight}, (IDS,))

    weight = torch.randn_like(layer.table.weight)
    weight[0] = 0
    weight.requires_grad_()
    rows = torch.arange(len(weight)) > 0  # padding_idx has no gradient by design

    def free(part):
        return out(torch.cat([weight[:1].detach(), part]))

    assert torch.autograd.gradcheck(free, (weight[rows].detach().requires_grad_(),))


def test_wrong_ids_are_refused_with_the_name_of_the_field():
    layer = FeatureEmbedding(FIELDS, 2)
    bad = IDS.clone()
    bad[1, 2] = 9  # would silently read the first year
    with pytest.raises(IndexError, match=r"genres.*0 to 8, got 9"):
        layer(bad)
    with pytest.raises(ValueError, match="4 columns"):
        layer(IDS[:, :4])
    with pytest.raises(KeyError, match="year"):
        layer.vectors("decade")
    with pytest.raises(ValueError, match="no fields"):
        FeatureEmbedding((), 2)


def test_crossed_weights_equal_the_double_loop():
    torch.manual_seed(0)
    pairs = [("colour", "genres"), ("genres", "year"), ("colour", "year")]
    layer = CrossedWeights(FIELDS, pairs).double()
    torch.nn.init.normal_(layer.table.weight)
    sizes = {"colour": 5, "genres": 9, "year": 4}
    columns = {"colour": [0], "genres": [1, 2, 3], "year": [4]}
    start = 0
    for p, (a, b) in enumerate(pairs):
        for row in range(len(IDS)):
            i_s = [int(IDS[row, c]) for c in columns[a] if IDS[row, c] > 0]
            j_s = [int(IDS[row, c]) for c in columns[b] if IDS[row, c] > 0]
            expected = 0.0
            for i in i_s:
                for j in j_s:
                    expected += (
                        float(layer.table.weight.detach()[start + i * sizes[b] + j]) / len(i_s) / len(j_s)
                    )
            assert float(layer(IDS)[row, p].detach()) == pytest.approx(expected, abs=1e-6)
        start += sizes[a] * sizes[b]
    assert layer.sizes == [45, 36, 20]
    assert len(layer.table.weight) == 101


def test_crossed_weights_start_silent_and_refuse_nonsense():
    schema = make_schema()
    layer = CrossedWeights(schema.fields, feature_pairs(schema))
    assert torch.equal(layer(make_batch(schema).ids()), torch.zeros(8, 4))
    assert CrossedWeights(schema.fields, [])(make_batch(schema).ids()).shape == (8, 0)
    with pytest.raises(KeyError, match="decade"):
        CrossedWeights(schema.fields, [("gender", "decade")])
    with pytest.raises(ValueError, match="100,000,000 weights"):
        CrossedWeights((Field("a", 10_000), Field("b", 10_000)), [("a", "b")])


def test_starting_values_have_the_spread_that_is_asked_for():
    torch.manual_seed(0)
    for make in (
        lambda **how: id_embedding(2002, 10, **how).weight[2:],
        lambda **how: FeatureEmbedding([Field("a", 2002)], 10, **how).table.weight[2:],
    ):
        for how, std in (({}, 0.05), ({"std": 0.3}, 0.3), ({"std": 0}, 0.0)):
            weight = make(**how)
            assert weight.std().item() == pytest.approx(std, rel=0.03)
            assert abs(weight.mean().item()) <= 0.03 * std


def test_padding_and_unknown_of_every_field_start_silent_and_nothing_else():
    table = FeatureEmbedding([Field("a", 4), Field("b", 5)], 3).table.weight
    assert (table == 0).all(1).tolist() == [True, True, False, False, True, True, False, False, False]


def test_a_grown_table_takes_each_old_row_and_starts_new_values_as_unknown():
    old = FeatureEmbedding((Field("colour", 4), Field("genres", 5, 3)), 2)
    new = FeatureEmbedding((Field("colour", 6), Field("genres", 5, 3), Field("year", 3)), 2)
    colours, genres = (
        [0, 1, 2, 3, 1, 1],
        [4, 5, 6, 7, 8],
    )  # colours 4 and 5 are new; `year` is a field old never had
    assert new.rows_from(old).tolist() == colours + genres


def test_batch_aware_penalty_against_a_loop():
    torch.manual_seed(0)
    table = nn.Embedding(6, 3, padding_idx=0).double()
    table.weight.data[0] = 7.0  # padding is left out because it is padding, not because it is 0
    ids, counts = torch.tensor([[2, 2, 5], [0, 3, 2]]), torch.tensor([9, 0, 4, 1, 7, 2])
    penalty = batch_aware_penalty(table, ids, counts)
    by_hand = sum(table.weight[j].dot(table.weight[j]) / counts[j] / 2 for j in (2, 3, 5))
    torch.testing.assert_close(penalty, by_hand)
    penalty.backward()  # the gradient of row j is w_j / n_j, and 0 for what the batch does not read
    rows = torch.zeros_like(table.weight)
    for j in (2, 3, 5):
        rows[j] = table.weight[j].detach() / counts[j]
    torch.testing.assert_close(table.weight.grad, rows)


def test_batch_aware_penalty_of_what_training_never_saw_is_finite():
    table, counts = nn.Embedding(3, 2), torch.tensor([0, 0, 4])  # without padding: id 0 is one like others
    assert batch_aware_penalty(table, torch.tensor([1]), counts).isfinite()
    both = batch_aware_penalty(table, torch.tensor([0, 2]), counts)
    torch.testing.assert_close(both, table.weight[0].square().sum() / 2 + table.weight[2].square().sum() / 8)
    with pytest.raises(ValueError, match="counts has shape"):
        batch_aware_penalty(table, torch.tensor([1]), torch.tensor([4]))
