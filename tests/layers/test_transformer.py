"""Transformer layers against torch's own in double precision, masks included; causality, padding, half precision."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from recbyhand.layers import (
    DecoderLayer,
    EncoderLayer,
    FeedForward,
    LayerNorm,
    LearnedPositions,
    MultiHeadAttention,
    PositionalEncoding,
    TimeGapPositions,
    TransformerDecoder,
    TransformerEncoder,
    age,
    causal_mask,
    multi_head,
    rotate,
    scaled_dot_product_attention,
)
from recbyhand.layers.multi_head import SHORT
from recbyhand.layers.transformer import last_place


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def random_mask(*shape):
    """True with probability 2/3, and at least once in every row."""
    mask = torch.rand(*shape) < 2 / 3
    mask[..., 0] |= ~mask.any(-1)
    return mask


def double(*shape):
    return torch.randn(*shape, dtype=torch.float64)


# --- one attention --------------------------------------------------------------------------------------


@pytest.mark.parametrize("mask", [None, (3, 1, 7, 5)])
def test_a_bias_is_added_to_the_scores(mask):
    q, k, v, bias = double(3, 2, 7, 4), double(3, 2, 5, 4), double(3, 2, 5, 6), double(3, 2, 7, 5)
    mask = None if mask is None else random_mask(*mask)
    scores = torch.einsum("bhqd,bhkd->bhqk", q, k) / 2 + bias
    a = (scores if mask is None else scores.masked_fill(~mask, -torch.inf)).softmax(-1)
    for fused in (False, True):
        torch.testing.assert_close(scaled_dot_product_attention(q, k, v, mask, bias=bias, fused=fused), a @ v)


def test_near_is_for_self_attention_with_places():
    layer = MultiHeadAttention(8, near=3)
    x, place = torch.randn(2, 4, 8), torch.tensor([[3, 2, 1, 0]] * 2)
    assert layer(x, place=place).shape == (2, 4, 8)
    for wrong in ({}, {"y": x, "place": place}):
        with pytest.raises(ValueError, match="place"):
            layer(x, **wrong)
    _, a = layer(x, place=place, return_weights=True)
    assert (a.triu(1) == 0).all()  # nothing newer


@pytest.mark.parametrize("masked", [False, True])
def test_near_adds_a_number_for_each_head_and_distance_and_hides_what_is_newer(masked):
    """By a loop over heads, queries and keys; the oldest number, that of near - 1, serves for all that is older."""
    layer, x = MultiHeadAttention(8, 2, near=3).double(), double(2, 5, 8)
    torch.testing.assert_close(
        layer.near[1], torch.tensor([0.0, -0.5, -1.0], dtype=torch.float64)
    )  # at the start
    torch.nn.init.normal_(layer.near)
    place = torch.tensor(
        [[4, 3, 2, 1, 0], [9, 5, 5, 1, 0]]
    )  # two events of one second stand at the same place
    mask = random_mask(2, 5, 5) if masked else torch.ones(2, 5, 5, dtype=torch.bool)
    _, a = layer(x, mask=mask if masked else None, place=place, return_weights=True)
    q, k = layer.split(layer.query(x)), layer.split(layer.key(x))  # (B, H, T, d)
    for b, h, i in torch.cartesian_prod(torch.arange(2), torch.arange(2), torch.arange(5)):
        score = {}
        for j in range(5):
            distance = int(place[b, j] - place[b, i])
            if distance >= 0 and mask[b, i, j]:
                near = layer.near[h, min(distance, 2)].item()
                score[j] = math.exp((q[b, h, i] @ k[b, h, j]).item() / math.sqrt(4) + near)
        for j in range(5):
            wanted = score[j] / sum(score.values()) if j in score else 0
            assert a[b, h, i, j].item() == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("mask", [None, (7, 5), (3, 1, 1, 5), (3, 2, 7, 5)])
@pytest.mark.parametrize("d_v", [4, 6])
def test_attention_equals_torch(mask, d_v, fused):
    q, k, v = double(3, 2, 7, 4), double(3, 2, 5, 4), double(3, 2, 5, d_v)
    mask = None if mask is None else random_mask(*mask)
    out = scaled_dot_product_attention(q, k, v, mask, fused=fused)
    assert out.shape == (3, 2, 7, d_v)
    torch.testing.assert_close(out, F.scaled_dot_product_attention(q, k, v, attn_mask=mask))


def test_attention_is_the_formula_row_by_row():
    q, k, v = double(3, 4), double(5, 4), double(5, 2)
    mask = random_mask(3, 5)
    out, a = scaled_dot_product_attention(q, k, v, mask, return_weights=True)
    for i in range(3):
        score = {j: math.exp(q[i] @ k[j] / 2) for j in range(5) if mask[i, j]}
        for j in range(5):
            assert a[i, j].item() == pytest.approx(score.get(j, 0) / sum(score.values()), abs=1e-12)
        torch.testing.assert_close(out[i], sum(a[i, j] * v[j] for j in range(5)))


def test_the_values_of_a_key_flow_into_the_query_by_its_weight():
    q, k, v = double(3, 4), double(5, 4), double(5, 1).requires_grad_()
    out, a = scaled_dot_product_attention(q, k, v, return_weights=True)
    for i in range(3):
        (grad,) = torch.autograd.grad(out[i, 0], v, retain_graph=True)
        torch.testing.assert_close(grad[:, 0], a[i])


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_a_query_that_may_look_at_nothing_gets_zeros(dtype, fused):
    q, k, v = (torch.randn(2, 4, 8).to(dtype).requires_grad_() for _ in range(3))
    mask = random_mask(2, 4, 4)
    mask[0, 2], mask[1] = False, False
    out = scaled_dot_product_attention(q, k, v, mask, fused=fused)
    assert (out[0, 2] == 0).all()
    assert (out[1] == 0).all()
    assert (out[0, [0, 1, 3]].abs().sum(-1) > 0).all()
    out.float().square().sum().backward()
    assert all(t.grad.isfinite().all() for t in (q, k, v))
    assert (v.grad[1] == 0).all()


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_near_and_large_scores_stay_finite(dtype, fused):
    q, k, v = torch.randn(2, 6, 16), torch.randn(2, 6, 16), torch.randn(2, 6, 16)
    mask = causal_mask(6)
    exact = scaled_dot_product_attention(q, k, v, mask)
    half = scaled_dot_product_attention(q.to(dtype), k.to(dtype), v.to(dtype), mask, fused=fused)
    assert half.dtype == dtype
    torch.testing.assert_close(half.float(), exact, atol=0.03, rtol=0.03)
    # 64 * 50 * 50 = 160,000 is more than half precision holds; the scaled score, 20,000, is not.
    wide = torch.full((1, 3, 64), 50.0, dtype=dtype)
    assert scaled_dot_product_attention(wide, wide, wide, fused=False).isfinite().all()


def test_attention_gradients():
    q, k, v = (double(2, 3, 2).requires_grad_() for _ in range(3))
    mask = random_mask(2, 3, 3)
    mask[0, 1] = False
    for fused in (False, True):

        def attend(*qkv, fused=fused):
            return scaled_dot_product_attention(*qkv, mask, fused=fused)

        assert torch.autograd.gradcheck(attend, (q, k, v))


def test_dropout_of_weights_keeps_the_mean():
    q, v = torch.zeros(1, 4, 2), torch.ones(1, 4, 3)
    for fused in (False, True):
        outs = [scaled_dot_product_attention(q, q, v, dropout=0.5, fused=fused) for _ in range(400)]
        assert torch.stack(outs).mean().item() == pytest.approx(1, abs=0.1)
        assert torch.stack(outs).std() > 0.1


def test_attention_refuses():
    q = torch.zeros(1, 2, 4)
    with pytest.raises(TypeError, match=r"True where a query may look at a key, not torch\.float32"):
        scaled_dot_product_attention(q, q, q, torch.ones(2, 2))
    with pytest.raises(ValueError, match="keeps no weights"):
        scaled_dot_product_attention(q, q, q, fused=True, return_weights=True)


def test_causal_mask_keeps_the_diagonal():
    assert causal_mask(3).tolist() == [[True, False, False], [True, True, False], [True, True, True]]
    assert causal_mask(9).any(-1).all()
    assert causal_mask(0).shape == (0, 0)


# --- several heads --------------------------------------------------------------------------------------


def torch_attention(ours: MultiHeadAttention, dim: int, memory_dim: int | None = None, bias_k: float = 0.0):
    """torch's module with the same weights; a bias of its keys must change nothing."""
    m = memory_dim or dim
    theirs = nn.MultiheadAttention(dim, ours.heads, batch_first=True, kdim=m, vdim=m).double()
    copy_attention(ours, theirs, bias_k)
    return theirs


@torch.no_grad()
def copy_attention(ours: MultiHeadAttention, theirs: nn.MultiheadAttention, bias_k: float = 0.7):
    if theirs.in_proj_weight is None:
        theirs.q_proj_weight.copy_(ours.query.weight)
        theirs.k_proj_weight.copy_(ours.key.weight)
        theirs.v_proj_weight.copy_(ours.value.weight)
    else:
        theirs.in_proj_weight.copy_(torch.cat([ours.query.weight, ours.key.weight, ours.value.weight]))
    bias = torch.full_like(ours.query.bias, bias_k)
    theirs.in_proj_bias.copy_(torch.cat([ours.query.bias, bias, ours.value.bias]))
    theirs.out_proj.load_state_dict(ours.out.state_dict())


@pytest.mark.parametrize("heads", [1, 2, 4])
@pytest.mark.parametrize("masked", ["not", "causal", "padding", "both"])
def test_self_attention_equals_torch(heads, masked):
    ours = MultiHeadAttention(8, heads).double()
    theirs = torch_attention(ours, 8, bias_k=0.7)
    x, real = double(3, 5, 8), random_mask(3, 5)
    real[:, 0] = True  # with "both", the first query has a key
    causal = causal_mask(5) if masked in ("causal", "both") else None
    padding = real if masked in ("padding", "both") else None
    mask = {
        "not": None,
        "causal": causal,
        "padding": real[:, None],
        "both": causal_mask(5) & real[:, None],
    }[masked]
    expected, weights = theirs(
        x,
        x,
        x,
        attn_mask=None if causal is None else ~causal,
        key_padding_mask=None if padding is None else ~padding,
        average_attn_weights=False,
    )
    out, a = ours(x, mask=mask, return_weights=True)
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(a, weights)
    torch.testing.assert_close(ours(x, mask=mask), expected)  # the fused path


def test_cross_attention_equals_torch():
    ours = MultiHeadAttention(8, 2, memory_dim=6).double()
    theirs = torch_attention(ours, 8, 6)
    x, y, mask = double(3, 5, 8), double(3, 7, 6), random_mask(3, 7)
    expected, _ = theirs(x, y, y, key_padding_mask=~mask)
    assert expected.shape == (3, 5, 8)
    torch.testing.assert_close(ours(x, y, mask[:, None]), expected)
    assert (ours(x, y, mask[:, None]) - ours(x, double(3, 7, 6), mask[:, None])).abs().min() > 0


def test_heads_are_attentions_side_by_side():
    """The per-head loop, for keys and values of any width."""
    layer = MultiHeadAttention(6, 4, d_k=3, d_v=5).double()  # 4 does not divide 6
    x, mask = double(2, 7, 6), random_mask(2, 7, 7)
    joined = []
    for h in range(4):
        rows, out = slice(3 * h, 3 * h + 3), slice(5 * h, 5 * h + 5)
        q = x @ layer.query.weight[rows].T + layer.query.bias[rows]
        k = x @ layer.key.weight[rows].T
        v = x @ layer.value.weight[out].T + layer.value.bias[out]
        joined.append(scaled_dot_product_attention(q, k, v, mask))
    torch.testing.assert_close(layer(x, mask=mask), layer.out(torch.cat(joined, -1)))


def test_a_mask_for_each_head():
    layer, x = MultiHeadAttention(4, 2).double(), double(2, 3, 4)
    mask = random_mask(2, 2, 3, 3)
    _, a = layer(x, mask=mask, return_weights=True)
    assert ((a > 0) == mask).all()
    torch.testing.assert_close(a.sum(-1), torch.ones_like(a[..., 0]))


def test_a_query_without_keys_hears_only_the_last_bias():
    layer, x = MultiHeadAttention(4, 2), torch.randn(2, 3, 4)
    for out in (
        layer(x, mask=torch.zeros(2, 1, 3, dtype=torch.bool)),
        layer(x, x[:, :0], mask=torch.zeros(3, 0, dtype=torch.bool)),
    ):
        torch.testing.assert_close(out, layer.out.bias.expand(2, 3, 4))


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("shared", ["past", "both", "nothing"])
def test_the_last_place_alone_is_the_last_place_of_all(norm, shared):
    """Of three pasts and two things that may follow; the first past is empty. What is shared has an axis of 1."""
    layer = EncoderLayer(8, 2, norm=norm, activation="gelu").double()
    past = double(3, 2 if shared == "nothing" else 1, 5, 8)
    x = double(1 if shared == "both" else 3, 2, 8)
    mask = torch.arange(5) < torch.tensor([0, 2, 5])[:, None]  # (U, L)
    found = last_place(layer, x, past, mask)
    assert found.shape == (3, 2, 8)
    seen = F.pad(mask, (0, 1), value=True)[:, None]  # (U, 1, T)
    for i in range(2):
        whole = torch.cat(
            [past.expand(3, 2, 5, 8)[:, i], x.expand(3, 2, 8)[:, i, None]], dim=1
        )  # (U, T, dim)
        torch.testing.assert_close(found[:, i], layer(whole, seen)[:, -1])


def test_heads_that_do_not_divide_and_other_wrong_settings():
    with pytest.raises(ValueError, match=r"3 heads do not divide dim=8.*d_k and d_v"):
        MultiHeadAttention(8, 3)
    with pytest.raises(ValueError, match="3 heads do not divide"):
        MultiHeadAttention(8, 3, d_k=2)
    with pytest.raises(ValueError, match="d_k=3: give an even d_k"):
        MultiHeadAttention(6, 2, rotary=True)
    layer, x = MultiHeadAttention(4, 2), torch.zeros(3, 5, 4)
    for shape in [(3, 5), (5,), (3, 2, 5), (2, 5, 5), (3, 3, 5, 5), (5, 4)]:
        with pytest.raises(ValueError, match=r"A padding mask \(B, Tk\) goes in as mask\[:, None\]"):
            layer(x, mask=torch.ones(shape, dtype=torch.bool))
    with pytest.raises(TypeError, match="pass mask > 0"):
        layer(x, mask=torch.ones(5, 5))
    with pytest.raises(ValueError, match="norm is 'post' or 'pre'; got 'batch'"):
        EncoderLayer(4, norm="batch")


# --- layers ---------------------------------------------------------------------------------------------


@torch.no_grad()
def copy_layer(ours, theirs):
    copy_attention(ours.attention, theirs.self_attn)
    norms = [ours.norm_attention, ours.norm_feed_forward]
    if hasattr(ours, "cross"):
        copy_attention(ours.cross, theirs.multihead_attn)
        norms.insert(1, ours.norm_cross)
    for k, norm in enumerate(norms, start=1):
        norm.weight.normal_()
        norm.bias.normal_()
        getattr(theirs, f"norm{k}").load_state_dict(norm.state_dict())
    theirs.linear1.load_state_dict(ours.feed_forward[0].state_dict())
    theirs.linear2.load_state_dict(ours.feed_forward[3].state_dict())


SETTINGS = [("post", "relu"), ("pre", "relu"), ("post", "gelu"), ("pre", "gelu")]


@pytest.mark.parametrize(("norm", "activation"), SETTINGS)
def test_encoder_layer_equals_torch(norm, activation):
    how = {"activation": activation, "dropout": 0.0}
    ours = EncoderLayer(8, 2, hidden=20, norm=norm, **how).double()
    theirs = nn.TransformerEncoderLayer(8, 2, 20, batch_first=True, norm_first=norm == "pre", **how).double()
    copy_layer(ours, theirs)
    x, real = double(3, 5, 8), random_mask(3, 5)
    real[:, 0] = True
    mask = causal_mask(5) & real[:, None]
    expected = theirs(x, src_mask=~causal_mask(5), src_key_padding_mask=~real)
    torch.testing.assert_close(ours(x, mask), expected)
    again, a = ours(x, mask, return_weights=True)
    torch.testing.assert_close(again, expected)
    assert a.shape == (3, 2, 5, 5)


@pytest.mark.parametrize(("norm", "activation"), SETTINGS)
def test_decoder_layer_equals_torch(norm, activation):
    how = {"activation": activation, "dropout": 0.0}
    ours = DecoderLayer(8, 2, hidden=20, norm=norm, **how).double()
    theirs = nn.TransformerDecoderLayer(8, 2, 20, batch_first=True, norm_first=norm == "pre", **how).double()
    copy_layer(ours, theirs)
    x, memory, real = double(3, 5, 8), double(3, 7, 8), random_mask(3, 7)
    expected = theirs(x, memory, tgt_mask=~causal_mask(5), memory_key_padding_mask=~real)
    torch.testing.assert_close(ours(x, memory, causal_mask(5), real[:, None]), expected)
    again, (own, cross) = ours(x, memory, causal_mask(5), real[:, None], return_weights=True)
    torch.testing.assert_close(again, expected)
    assert (own.shape, cross.shape) == ((3, 2, 5, 5), (3, 2, 5, 7))


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_stacks_equal_torch(norm):
    first, last = norm == "pre", nn.LayerNorm(8).double() if norm == "pre" else None
    encoder = TransformerEncoder(8, 2, 2, norm=norm).double()
    decoder = TransformerDecoder(8, 2, 2, norm=norm).double()
    layer = nn.TransformerEncoderLayer(8, 2, 32, 0.0, batch_first=True, norm_first=first).double()
    their_encoder = nn.TransformerEncoder(layer, 2, norm=last, enable_nested_tensor=False)
    layer = nn.TransformerDecoderLayer(8, 2, 32, 0.0, batch_first=True, norm_first=first).double()
    their_decoder = nn.TransformerDecoder(layer, 2, norm=last)
    for ours, theirs in ((encoder, their_encoder), (decoder, their_decoder)):
        for mine, other in zip(ours.layers, theirs.layers, strict=True):
            copy_layer(mine, other)
    x, y, real = double(3, 5, 8), double(3, 7, 8), random_mask(3, 7)
    memory = their_encoder(y, src_key_padding_mask=~real)
    torch.testing.assert_close(encoder(y, real[:, None]), memory)
    expected = their_decoder(x, memory, tgt_mask=~causal_mask(5), memory_key_padding_mask=~real)
    torch.testing.assert_close(decoder(x, memory, memory_mask=real[:, None]), expected)
    assert decoder(x, memory).shape == x.shape


def test_the_layer_norm_inside_is_the_one_by_hand():
    ours, theirs = LayerNorm(5).double(), nn.LayerNorm(5).double()
    with torch.no_grad():
        theirs.weight.normal_()
        theirs.bias.normal_()
        ours.gain.copy_(theirs.weight)
        ours.bias.copy_(theirs.bias)
    x = double(2, 3, 5)
    torch.testing.assert_close(ours(x), theirs(x))


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_no_rate_is_left_behind(norm):
    """dropout=0 reaches the feed-forward and the weights: a training pass repeats. Any other rate does not."""
    x = torch.randn(2, 4, 8)
    for rate in (0.0, 0.5):
        for layer in (TransformerEncoder(8, norm=norm, dropout=rate), FeedForward(8, dropout=rate)):
            assert torch.equal(layer(x), layer(x)) == (rate == 0)
            assert torch.equal(layer.eval()(x), layer(x))
        decoder = TransformerDecoder(8, norm=norm, dropout=rate)
        assert torch.equal(decoder(x, x), decoder(x, x)) == (rate == 0)
    rates = {m.p for m in TransformerEncoder(8, dropout=0.3).modules() if isinstance(m, nn.Dropout)}
    assert rates == {0.3}
    assert FeedForward(8)[0].out_features == 32
    assert FeedForward(8, 5)[0].out_features == 5


def test_the_identity_path_is_free_in_pre_norm_and_not_in_post_norm():
    """With all else silent, d sum(block(x)) / dx is 1 in pre-norm and 0 in post-norm, which takes the mean out."""
    for norm, expected in (("pre", 1.0), ("post", 0.0)):
        layer = EncoderLayer(6, norm=norm).double()
        with torch.no_grad():
            for part in (layer.attention.out, layer.feed_forward[3]):
                part.weight.zero_()
                part.bias.zero_()
        x = double(1, 3, 6).requires_grad_()
        layer(x).sum().backward()
        torch.testing.assert_close(x.grad, torch.full_like(x, expected))


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("rotary", [False, True])
def test_the_future_has_no_gradient_into_the_past(norm, rotary):
    encoder = TransformerEncoder(8, 2, 3, norm=norm, rotary=rotary).double()
    decoder = TransformerDecoder(8, 2, 3, norm=norm, rotary=rotary).double()
    x, y = double(2, 6, 8).requires_grad_(), double(2, 6, 8).requires_grad_()
    causal = causal_mask(6)
    outs = {
        "encoder": (encoder(x, causal), [x]),
        "decoder": (decoder(x, y, memory_mask=causal), [x, y]),
        "with weights": (decoder(x, y, memory_mask=causal, return_weights=True)[0], [x, y]),
    }
    for name, (out, inputs) in outs.items():
        for t in range(6):
            grads = torch.autograd.grad((out[:, t] * double(2, 8)).sum(), inputs, retain_graph=True)
            for grad in grads:
                assert (grad[:, t + 1 :] == 0).all(), name
                assert (grad[:, : t + 1].abs().sum(-1) > 0).all(), name
    # Without its mask the test sees the leak.
    (grad,) = torch.autograd.grad(encoder(x)[:, 0].square().sum(), x)
    assert (grad[:, 1:] != 0).any()


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_padding_changes_no_real_output(norm):
    encoder, decoder = TransformerEncoder(8, norm=norm).double(), TransformerDecoder(8, norm=norm).double()
    x, memory = double(2, 4, 8), double(2, 5, 8)
    real = torch.tensor([[True] * 4, [True, True, False, False]])
    wide = torch.cat([x, double(2, 3, 8)], 1)
    mask = F.pad(real, (0, 3))
    expected, out = encoder(x, real[:, None]), encoder(wide, mask[:, None])
    torch.testing.assert_close(out[:, :4][real], expected[real])
    other = torch.where(mask[..., None], wide, double(2, 7, 8))
    torch.testing.assert_close(encoder(other, mask[:, None])[mask], out[mask])
    there = F.pad(torch.ones(2, 5, dtype=torch.bool), (2, 0))
    moved = torch.cat([double(2, 2, 8), memory], 1)
    torch.testing.assert_close(decoder(x, moved, memory_mask=there[:, None]), decoder(x, memory))


def test_attention_is_blind_to_order_and_positions_cure_it():
    encoder, x = TransformerEncoder(8).double(), double(2, 6, 8)
    turned = torch.randperm(6)
    torch.testing.assert_close(encoder(x[:, turned]), encoder(x)[:, turned])
    places = PositionalEncoding(8).double()
    seen, moved = encoder(places(x))[:, turned], encoder(places(x[:, turned]))
    assert (seen - moved).abs().max() > 0.01
    rotary = TransformerEncoder(8, rotary=True).double()
    assert (rotary(x)[:, turned] - rotary(x[:, turned])).abs().max() > 1e-4


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_gradients_of_whole_layers(norm):
    encoder, decoder = EncoderLayer(4, hidden=3, norm=norm, activation="gelu"), DecoderLayer(4, norm=norm)
    x, y = double(2, 3, 4).requires_grad_(), double(2, 2, 4).requires_grad_()
    mask = random_mask(2, 3, 3)
    assert torch.autograd.gradcheck(lambda x: encoder.double()(x, mask), (x,))
    assert torch.autograd.gradcheck(lambda x, y: decoder.double()(x, y, causal_mask(3)), (x, y))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_whole_stacks_in_half_precision(dtype):
    x, real = torch.randn(2, 5, 8), torch.tensor([[True] * 5, [False] * 5])
    encoder = TransformerEncoder(8, norm="pre")
    expected = encoder(x, real[:, None])
    out = encoder.to(dtype)(x.to(dtype), real[:, None])
    assert out.isfinite().all()
    torch.testing.assert_close(out.float(), expected, atol=0.1, rtol=0.1)


def test_layers_train_under_autocast_and_live_on_the_device_of_their_input():
    encoder, x = TransformerEncoder(8, rotary=True), torch.randn(2, 5, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = encoder(x, causal_mask(5))
    out.float().square().mean().backward()
    assert all(p.grad.isfinite().all() for p in encoder.parameters())
    meta = TransformerDecoder(8, rotary=True).to("meta")(x.to("meta"), x.to("meta"))
    assert meta.device.type == "meta"


# --- positions ------------------------------------------------------------------------------------------


def test_a_shift_is_a_rotation_with_the_right_sign():
    """cos(M + N) = cos M cos N - sin M sin N; the source's plus gives cos(M - N)."""
    pe = PositionalEncoding(8).table.double()
    sin, cos = pe[:, 0::2], pe[:, 1::2]
    M, N = 5, 9
    torch.testing.assert_close(pe[M + N, 1::2], cos[M] * cos[N] - sin[M] * sin[N], atol=1e-6, rtol=0)
    torch.testing.assert_close(pe[M + N, 0::2], sin[M] * cos[N] + cos[M] * sin[N], atol=1e-6, rtol=0)
    assert (pe[M + N, 1::2] - (cos[M] * cos[N] + sin[M] * sin[N])).abs().max() > 0.5


@pytest.mark.parametrize("dim", [7, 1])
def test_odd_widths_long_sequences_and_another_precision(dim):
    layer = PositionalEncoding(dim, max_length=2000)
    assert layer(torch.zeros(1, 2000, dim)).isfinite().all()
    assert layer.double().table.dtype == torch.float64
    assert list(layer.state_dict()) == []


def test_scale_brings_embeddings_and_positions_to_one_size():
    d = 128
    x = F.normalize(torch.randn(1, 50, d), dim=-1)  # rows of norm 1, as with max_norm=1
    pe = PositionalEncoding(d).table[:50].norm(dim=-1)
    torch.testing.assert_close(pe, torch.full_like(pe, math.sqrt(d / 2)))
    scaled = PositionalEncoding(d, scale=True)
    content = scaled(x) - scaled.table[:50]
    assert ((content.norm(dim=-1) / pe).log2().abs() < 1).all()  # between a half and 2
    assert (x.norm(dim=-1) / pe < 0.5).all()  # which the plain sum is not


def test_learned_positions_count_from_the_newest():
    mask = torch.tensor([[True, True, True, False], [False, True, False, True], [False] * 4])
    assert age(mask).tolist() == [[3, 2, 1, 0], [0, 2, 0, 1], [0, 0, 0, 0]]
    layer = LearnedPositions(3, 3)
    out = layer(age(mask))
    assert torch.equal(out[0, 2], out[1, 3])
    assert torch.equal(out[0, 0], out[0, 1])  # place 3 of 0, 1, 2 shares the vector of 2
    assert not torch.equal(out[0, 1], out[0, 2])


def test_time_gaps_fall_into_growing_buckets():
    layer = TimeGapPositions(4)
    seconds = torch.tensor([-5, 0, 1, 3, 7, 3600, 86_400, 7 * 86_400, 10**12])
    bucket = layer.bucket(seconds)
    assert bucket[:5].tolist() == [0, 0, 2, 4, 6]
    assert (bucket.diff() >= 0).all()
    for s, b in zip(seconds[1:].tolist(), bucket[1:].tolist(), strict=True):
        assert b == pytest.approx(2 * math.log2(1 + s), abs=1)
    assert layer(seconds).shape == (9, 4)
    assert torch.equal(layer(torch.tensor(10**12)), layer.table.weight[-1])


def test_rotary_scores_know_only_the_distance():
    q, k = double(1, 8).expand(12, 8), double(1, 8).expand(12, 8)
    s = rotate(q) @ rotate(k).T
    for distance in range(-11, 12):
        on = s.diagonal(distance)
        torch.testing.assert_close(on, on[:1].expand_as(on), atol=1e-5, rtol=1e-5)
    assert (s[0, 1:] - s[0, 0]).abs().max() > 0.1
    torch.testing.assert_close(rotate(q).norm(dim=-1), q.norm(dim=-1), atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(rotate(q)[0], q[0])


@pytest.mark.parametrize("length", [SHORT, SHORT + 1])
def test_short_and_long_sequences_take_different_roads_to_one_place(length, monkeypatch):
    used = []
    real = multi_head._fused
    monkeypatch.setattr(multi_head, "_fused", lambda *a: used.append(True) or real(*a))
    layer, x, mask = MultiHeadAttention(8).double(), double(2, length, 8), random_mask(2, 1, length)
    mask[1] = False
    torch.testing.assert_close(layer(x, mask=mask), layer(x, mask=mask, return_weights=True)[0])
    assert bool(used) == (length > SHORT)
