"""MLP and dropout."""

import pytest
import torch
from torch import nn

from recbyhand.layers import MLP, Dropout, concat, get_activation


def test_mlp_is_linear_activation_dropout_and_a_linear_end():
    mlp = MLP([3, 8, 4, 1], activation="tanh", dropout=0.1)
    assert [type(layer) for layer in mlp] == [*[nn.Linear, nn.Tanh, nn.Dropout] * 2, nn.Linear]
    x = torch.randn(5, 3)
    h = torch.tanh(x @ mlp[0].weight.T + mlp[0].bias)
    h = torch.tanh(h @ mlp[3].weight.T + mlp[3].bias)
    assert torch.allclose(mlp.eval()(x), h @ mlp[6].weight.T + mlp[6].bias, atol=1e-6)


def test_mlp_of_two_sizes_is_one_linear_layer():
    assert [type(layer) for layer in MLP([3, 1])] == [nn.Linear]
    with pytest.raises(ValueError, match="input, hidden"):
        MLP([3])


def test_mlp_takes_any_leading_axes_and_hands_the_mask_on():
    torch.manual_seed(0)
    x, mask = torch.randn(4, 5, 3), torch.arange(5) < torch.tensor([1, 2, 5, 3])[:, None]
    mlp = MLP([3, 6, 2], activation="dice")
    other = torch.where(mask[..., None], x, 1000.0)
    assert mlp(x, mask).shape == (4, 5, 2)
    assert torch.allclose(mlp(x, mask)[mask], mlp(other, mask)[mask])
    assert not torch.allclose(mlp(x)[mask], mlp(other)[mask])  # without the mask, padding leaks


@pytest.mark.parametrize(
    "name", ["relu", "leaky_relu", "prelu", "dice", "tanh", "sigmoid", "gelu", "identity"]
)
def test_every_activation_has_a_name(name):
    assert get_activation(name, 3)(torch.randn(4, 3)).shape == (4, 3)


def test_unknown_activation_names_the_known_ones():
    with pytest.raises(ValueError, match="relu, leaky_relu"):
        MLP([1, 2, 1], activation="swish")


def test_dropout_keeps_the_expectation_and_doubles_what_it_keeps():
    torch.manual_seed(0)
    y = Dropout(0.5)(torch.ones(1_000_000))
    assert y.mean() == pytest.approx(1, abs=0.01)
    assert y.unique().tolist() == [0, 2]


@pytest.mark.parametrize("p", [0.0, 0.2, 0.9])
def test_dropout_has_torchs_distribution(p):
    torch.manual_seed(0)
    x = torch.full((200_000,), 3.0)
    ours, torchs = Dropout(p)(x), nn.Dropout(p)(x)
    assert torch.allclose(ours.unique(), torchs.unique())
    assert (ours == 0).float().mean() == pytest.approx(p, abs=0.005)


def test_dropout_is_idle_in_eval_and_its_gradient_is_the_mask():
    x = torch.randn(100, requires_grad=True)
    assert Dropout(0.5).eval()(x) is x
    y = Dropout(0.5)(x)
    y.sum().backward()
    assert torch.equal(x.grad == 0, y == 0)
    with pytest.raises(ValueError, match="0 <= p < 1"):
        Dropout(1.0)


def test_concat_puts_vectors_side_by_side_and_repeats_what_all_share():
    a, b, c = torch.randn(4, 5, 2), torch.randn(4, 1, 3), torch.randn(1, 5, 1)
    joined = concat(a, b, c)
    assert joined.shape == (4, 5, 6)
    for i in range(4):
        for j in range(5):
            assert joined[i, j].tolist() == [*a[i, j].tolist(), *b[i, 0].tolist(), *c[0, j].tolist()]
