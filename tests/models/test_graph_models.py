"""Models on the user-item graph: what they compute, what they must not see while training, what they keep."""

import copy
import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F
from torch_geometric.nn.models import LightGCN as TheirLightGCN

import recbyhand as rbh
from recbyhand.data import Graph, ctr, graph, planted
from recbyhand.models import GraphAttentionRecommender, LightGCN, MatrixFactorization
from tests.factories import make_batch, make_schema
from tests.models.cases import ON_A_GRAPH, cases, random_graph

SCHEMA = make_schema()
COLD_USER, COLD_ITEM = 19, 29  # no edge names them


GRAPH = random_graph(SCHEMA)


@pytest.fixture(params=cases(ON_A_GRAPH))
def make(request):
    name, settings = request.param
    kind = getattr(rbh.models, name)

    def build(schema=SCHEMA, graph=GRAPH, **more):
        torch.manual_seed(0)
        model = kind(schema, graph, **settings | more)
        with torch.no_grad():  # biases and cold vectors start at 0
            for p in model.parameters():
                p.add_(0.1 * torch.randn_like(p))
        return model

    return build


def known_pairs(n=4, schema=SCHEMA, g=GRAPH):
    """A batch of pairs that are edges."""
    at = torch.linspace(0, len(g) - 1, n).long()
    batch = make_batch(schema, B=n, user=g.user[at].tolist(), item=g.item[at].tolist())
    batch.edge = g.edge[at]
    return batch, at


# --- what is computed ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layers", [0, 1, 3])
def test_lightgcn_is_that_of_pytorch_geometric(layers):
    mine = LightGCN(SCHEMA, GRAPH, dim=8, layers=layers).double().eval()
    theirs = TheirLightGCN(GRAPH.n_nodes, 8, layers).double()
    with torch.no_grad():
        theirs.embedding.weight.copy_(torch.cat([mine.user.weight, mine.item.weight]))
    batch = make_batch(SCHEMA, B=12)
    pairs = torch.stack([batch.user, SCHEMA.n_users + batch.item])
    torch.testing.assert_close(mine(batch), theirs(GRAPH.edges(), pairs), rtol=0, atol=1e-7)


def test_lightgcn_without_layers_is_matrix_factorisation():
    mine, other = LightGCN(SCHEMA, GRAPH, layers=0, biases=True), MatrixFactorization(SCHEMA)
    other.load_state_dict(mine.state_dict())
    batch = make_batch(SCHEMA)
    torch.testing.assert_close(mine(batch), other(batch))


def test_attention_by_hand():
    """One layer, one head, in loops."""
    torch.manual_seed(0)
    model = GraphAttentionRecommender(SCHEMA, GRAPH, dim=4, heads=1, biases=False).double().eval()
    layer = model.layers[0]
    user, item = model.start().split([SCHEMA.n_users, SCHEMA.n_items])

    def told(me, others):
        if not len(others):
            return me
        scores = (layer.key(others) @ layer.query(me)) / math.sqrt(4)
        return me + scores.softmax(0) @ layer.value(others)

    batch = make_batch(SCHEMA, B=6)
    for row, logit in enumerate(model(batch)):
        u, i = batch.user[row], batch.item[row]
        h_u = told(user[u], item[GRAPH.item[GRAPH.user == u]])
        h_i = told(item[i], user[GRAPH.user[GRAPH.item == i]])
        torch.testing.assert_close(logit, h_u @ h_i, rtol=0, atol=1e-12)


def test_features_start_a_node():
    model = GraphAttentionRecommender(SCHEMA, GRAPH, dim=4)
    h = model.start()
    gender, age = (model.user_fields.vectors(name) for name in ("gender", "age"))
    g, a = SCHEMA.user_table[5]
    torch.testing.assert_close(h[5], model.user.weight[5] + gender[g] + age[a])
    bare = GraphAttentionRecommender(SCHEMA, GRAPH, dim=4, features=False)
    assert torch.equal(bare.start(), torch.cat([bare.user.weight, bare.item.weight]))


def test_score_items_are_the_logits_of_every_pair(make):
    model, batch, items = make().eval(), make_batch(SCHEMA, B=5), torch.tensor([2, 7, COLD_ITEM, 1])
    scores = model.score_items(batch, items)
    assert scores.shape == (5, 4)
    for k, item in enumerate(items):
        again = dataclasses.replace(batch, item=item.expand(5))
        torch.testing.assert_close(scores[:, k], model(again))


def test_cold_and_unknown_users_and_items_have_finite_scores(make):
    model = make().eval()
    batch = make_batch(SCHEMA, B=4, user=[COLD_USER, COLD_USER, 1, 1], item=[COLD_ITEM, 4, 1, COLD_ITEM])
    assert torch.isfinite(model(batch)).all()
    for mode in (True, False):
        assert model.train(mode)(batch[0]).shape == (1,)
        torch.testing.assert_close(model(batch[0]), model(batch)[:1])


def test_a_graph_without_edges(make):
    empty = Graph(*[torch.zeros(0, dtype=torch.long)] * 3, SCHEMA.n_users, SCHEMA.n_items)
    model, batch = make(graph=empty), make_batch(SCHEMA)
    for mode in (True, False):
        assert torch.isfinite(model.train(mode)(batch)).all()
    if hasattr(model, "attention") and model.settings["attention"] != "mean":
        assert (model.attention(batch) == 0).all()


def test_a_schema_without_features(make):
    bare = make_schema(user_fields=(), item_fields=())
    assert make(schema=bare)(make_batch(bare)).shape == (8,)


def test_nodes_beyond_reach_have_no_gradient():
    """With one layer a user's vector depends on his own items, not on the rest."""
    model = GraphAttentionRecommender(SCHEMA, GRAPH, features=False, biases=False).eval()
    user = int(GRAPH.user[0])
    model.nodes()[user].sum().backward()
    got = model.item.weight.grad.abs().sum(1) > 0
    expected = torch.zeros(SCHEMA.n_items, dtype=torch.bool)
    expected[GRAPH.item[GRAPH.user == user]] = True
    assert torch.equal(got, expected)


# --- what must not be seen -----------------------------------------------------------------------------------------


def test_while_training_the_batchs_own_edges_are_gone_in_both_directions(make):
    model = make()
    batch, at = known_pairs()
    smaller = make(graph=GRAPH.without(at)).eval()
    torch.testing.assert_close(model.train()(batch), smaller(batch))
    torch.testing.assert_close(model.nodes(batch), smaller.nodes())
    assert not torch.allclose(model(batch), model.eval()(batch))


def test_own_edges_stay_where_asked_for(make):
    model = make(own_edges=True)
    batch, _ = known_pairs()
    torch.testing.assert_close(model.train()(batch), model.eval()(batch))


def test_pairs_that_are_no_edges_take_none_away(make):
    model, g = make().train(), GRAPH
    strange = make_batch(SCHEMA, B=2, user=[COLD_USER, int(g.user[0])], item=[int(g.item[0]), COLD_ITEM])
    strange.edge = torch.tensor([0, 1])
    torch.testing.assert_close(model(strange), model.eval()(strange))


def test_views_are_no_labels_and_stay():
    views = Graph(GRAPH.user, GRAPH.item, torch.full_like(GRAPH.edge, -1), GRAPH.n_users, GRAPH.n_items)
    model = LightGCN(SCHEMA, views)
    batch, _ = known_pairs()
    torch.testing.assert_close(model.train()(batch), model.eval()(batch))


def test_rows_that_are_not_of_training_take_none_away():
    """Where a batch knows its rows, only those of training are left out; a second row of a pair counts, too."""
    model = LightGCN(SCHEMA, GRAPH).train()
    batch, at = known_pairs(3)
    batch.edge = torch.tensor(
        [-1, 999, -1]
    )  # the pair is known by another row: it is its own edge all the same
    assert model.own(batch).nonzero()[:, 0].tolist() == [int(at[1])]
    batch.edge = None
    assert model.own(batch).sum() == 3


def coin_world():
    """600 pairs whose labels are coins: no model can know them, unless it sees them."""
    schema = make_schema(n_users=42, n_items=62, user_fields=(), item_fields=())
    g = torch.Generator().manual_seed(0)
    pair = torch.randperm(40 * 60, generator=g)[:600]
    user, item = 2 + pair // 60, 2 + pair % 60
    label = torch.randint(2, (600,), generator=g).float()
    liked = label.nonzero()[:, 0]
    batch = make_batch(schema, B=600, user=user.tolist(), item=item.tolist())
    batch.label, batch.edge = label, torch.arange(600)
    return schema, Graph(user[liked], item[liked], liked, 42, 62), batch


@pytest.mark.parametrize("kind", [LightGCN, GraphAttentionRecommender])
def test_with_its_own_edge_a_model_sees_its_label_and_without_it_does_not(kind):
    """Untrained already: an edge makes its ends alike, so the score of a pair tells whether there is one."""
    schema, g, batch = coin_world()
    aucs = {True: [], False: []}
    for seed in range(5):
        for own in aucs:
            torch.manual_seed(seed)
            model = kind(schema, g, dim=64, layers=1, own_edges=own).train()
            if kind is GraphAttentionRecommender:
                with torch.no_grad():
                    for name in ("query", "key"):
                        getattr(model.layers[0], name).weight.zero_()
                    model.layers[0].value.weight.copy_(torch.eye(64))
            with torch.no_grad():
                logits = torch.cat([model(part) for part in (batch[k : k + 50] for k in range(0, 600, 50))])
            aucs[own].append(rbh.metrics.auc(batch.label, logits))
    assert sum(aucs[True]) / 5 > 0.9, aucs
    assert abs(sum(aucs[False]) / 5 - 0.5) < 0.06, aucs


# --- what is kept --------------------------------------------------------------------------------------------------


def test_vectors_are_computed_once_and_anew_after_any_change(make):
    model, batch = make().eval(), make_batch(SCHEMA)
    calls, propagate = [], model.propagate
    model.propagate = lambda edges: calls.append(1) or propagate(edges)

    def fresh():
        with torch.no_grad():
            first, second = model(batch), model(batch)
        assert torch.equal(first, second)
        torch.testing.assert_close(first, model(batch).detach())  # with gradients it is never a kept one
        return calls.clear() or first

    with torch.no_grad():
        before = model(batch)
        model(batch), model.score_items(batch, torch.arange(5))
    assert len(calls) == 1
    fresh()
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.1)  # a step in evaluation mode
    model(batch).sum().backward()
    optimiser.step()
    after = fresh()
    assert not torch.allclose(after, before)
    state = {name: torch.randn_like(t) for name, t in model.state_dict().items()}
    model.load_state_dict(state)
    loaded = fresh()
    assert not torch.allclose(loaded, after)
    model.load_state_dict({name: t + 1 for name, t in state.items()}, assign=True)
    assert not torch.allclose(fresh(), loaded)
    before = fresh()
    for p in model.parameters():
        p.data = p.data * 2
    assert not torch.allclose(fresh(), before)
    before = fresh()
    for p in model.parameters():
        p.data.mul_(2)  # no counter sees this one: setting the mode is what makes it known
    model.eval()
    assert not torch.allclose(fresh(), before)
    assert model.double()(batch).dtype == torch.float64


def test_prediction_after_training_in_turns(make):
    """What `rbh.predict` says is what a model just built with these weights says."""
    model, batch = make(), make_batch(SCHEMA, B=32)
    optimiser = torch.optim.SGD(model.parameters(), lr=1.0)
    for _ in range(3):
        model.train()
        optimiser.zero_grad()
        sum(model.loss(batch, torch.Generator().manual_seed(0)).values()).backward()
        optimiser.step()
        twin = make()
        twin.load_state_dict(model.state_dict())
        assert torch.equal(rbh.predict(model, batch), rbh.predict(twin, batch))


def test_graph_is_a_setting_and_no_weight(make):
    model, batch = make().eval(), make_batch(SCHEMA)
    assert model.settings["graph"] is GRAPH
    assert not [name for name in model.state_dict() if "edge" in name or "pair" in name]
    settings = model.settings | {"graph": Graph.from_tensors(GRAPH.tensors())}
    again = type(model)(SCHEMA, **settings).eval()
    again.load_state_dict(model.state_dict())
    assert torch.equal(again(batch), model(batch))
    with torch.no_grad():
        model(batch)  # something is kept
        twin = copy.deepcopy(model)
        for p in twin.parameters():
            p.add_(1)
        assert not torch.allclose(twin(batch), model(batch))
        assert torch.equal(again(batch), model(batch))


def test_every_weight_has_a_finite_gradient(make):
    model, batch = make(), make_batch(SCHEMA, B=400)
    model.loss(batch, torch.Generator().manual_seed(0))
    F.binary_cross_entropy_with_logits(model(batch), batch.label).backward()
    for name, p in model.named_parameters():
        assert p.grad is not None, name
        assert torch.isfinite(p.grad).all(), name
        assert p.grad.abs().max() > 0, name


def test_gradcheck(make):
    model, batch = make().double(), make_batch(SCHEMA, B=3)
    small = dict(sorted(model.named_parameters(), key=lambda named: named[1].numel())[:2])

    def logits(*values):
        return torch.func.functional_call(model, dict(zip(small, values, strict=True)), (batch,))

    assert torch.autograd.gradcheck(
        logits, tuple(p.detach().requires_grad_() for p in small.values()), fast_mode=True
    )


def test_stays_on_the_device_of_its_batch(make):
    model, batch = make().to("meta").eval(), make_batch(SCHEMA).to("meta")
    assert model(batch).device.type == "meta"
    assert model.score_items(batch, torch.arange(3)).device.type == "meta"


# --- losses --------------------------------------------------------------------------------------------------------


def test_bpr_by_hand(make):
    model, batch = make(loss="bpr").eval(), make_batch(SCHEMA)
    term = model.loss(batch, torch.Generator().manual_seed(1))["bpr"]
    liked = batch[batch.label > 0]
    other = rbh.layers.sample_negatives(
        liked.item, SCHEMA.n_items, generator=torch.Generator().manual_seed(1)
    )[:, 0]
    difference = model(liked) - model(dataclasses.replace(liked, item=other))
    torch.testing.assert_close(term, -F.logsigmoid(difference).mean())


def test_softmax_against_many_draws_is_the_full_softmax():
    model, batch = LightGCN(SCHEMA, GRAPH, loss="softmax", negatives=20000).eval(), make_batch(SCHEMA)
    with torch.no_grad():
        model.item.weight.mul_(10)
    liked = batch[batch.label > 0]
    items = torch.arange(2, SCHEMA.n_items)
    full = F.cross_entropy(model.score_items(liked, items), liked.item - 2)
    sampled = model.loss(batch, torch.Generator().manual_seed(1))["softmax"]
    assert abs(float((full - sampled).detach())) < 0.02


@pytest.mark.parametrize("loss", ["bce", "bpr", "softmax"])
def test_losses_repeat_and_live_without_a_like(make, loss):
    model, batch = make(loss=loss), make_batch(SCHEMA)
    first, second = (model.loss(batch, torch.Generator().manual_seed(4)) for _ in range(2))
    assert first == second
    batch.label = torch.zeros_like(batch.label)
    (term,) = model.loss(batch, torch.Generator().manual_seed(4)).values()
    assert torch.isfinite(term)
    assert loss == "bce" or term == 0
    term.backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("loss", ["bce", "bpr", "softmax"])
def test_trains_on_a_planted_world(loss):
    task = ctr(planted("communities", users=40))
    model = rbh.train(
        lambda s: GraphAttentionRecommender(s, graph(task), loss=loss, dropout=0.2), task, epochs=2
    )
    assert torch.isfinite(rbh.predict(model, task.test)).all()
    assert model.log["loss"].iloc[1] < model.log["loss"].iloc[0]


# --- attention -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("attention", ["dot", "gat", "gatv2"])
@pytest.mark.parametrize("layer", [0, 1])
def test_weights_of_a_users_edges(attention, layer):
    torch.manual_seed(0)
    model = GraphAttentionRecommender(SCHEMA, GRAPH, attention=attention, layers=2, heads=2).eval()
    a = model.edge_weights(layer)
    assert a.shape == (len(GRAPH), 2)
    sums = torch.zeros(SCHEMA.n_users, 2).index_add(0, GRAPH.user, a)
    torch.testing.assert_close(sums[GRAPH.user], torch.ones(len(GRAPH), 2))
    user = int(GRAPH.user[0])
    items, weights = model.neighbours(user, layer)
    assert sorted(items.tolist()) == GRAPH.item[GRAPH.user == user].tolist()
    assert (weights.mean(1).diff() <= 0).all()
    for item, w in zip(items, weights, strict=True):
        torch.testing.assert_close(w, a[(GRAPH.user == user) & (GRAPH.item == item)][0])


def test_attention_stands_beside_the_history():
    torch.manual_seed(0)
    model = GraphAttentionRecommender(SCHEMA, GRAPH).eval()
    batch = make_batch(SCHEMA, B=3, user=[int(GRAPH.user[0])] * 3, lengths=[5, 2, 0])
    mine = GRAPH.item[GRAPH.user == GRAPH.user[0]]
    batch.history[0, :2] = mine[:2]
    batch.history[0, 2] = COLD_ITEM
    batch.history[0, 3] = mine[0]
    a = model.attention(batch)
    assert a.shape == (3, 5)
    weights = model.edge_weights().mean(1)[GRAPH.user == GRAPH.user[0]]
    torch.testing.assert_close(a[0, :2], weights[:2])
    assert a[0, 2] == 0
    assert a[0, 3] == a[0, 0]
    assert (a[~batch.history_mask] == 0).all()


# --- refusals ------------------------------------------------------------------------------------------------------


def test_refusals():
    with pytest.raises(TypeError, match=r"rbh\.data\.graph\(task\) makes it, not Tensor"):
        LightGCN(SCHEMA, torch.eye(3))
    with pytest.raises(ValueError, match="make both from one task"):
        LightGCN(make_schema(n_users=99), GRAPH)
    with pytest.raises(ValueError, match="'bce', 'bpr', 'softmax'"):
        LightGCN(SCHEMA, GRAPH, loss="mse")
    with pytest.raises(ValueError, match="'dot', 'gat', 'gatv2', 'mean'"):
        GraphAttentionRecommender(SCHEMA, GRAPH, attention="magic")
    with pytest.raises(ValueError, match="one must divide the other"):
        GraphAttentionRecommender(SCHEMA, GRAPH, dim=16, heads=3)
    with pytest.raises(ValueError, match="no attention"):
        GraphAttentionRecommender(SCHEMA, GRAPH, attention="mean").edge_weights()
    with pytest.raises(IndexError, match="layers 0 to 0"):
        GraphAttentionRecommender(SCHEMA, GRAPH).edge_weights(1)


@pytest.mark.parametrize("kind", [LightGCN, GraphAttentionRecommender])
def test_saved_and_loaded_with_its_graph(tmp_path, kind):
    torch.manual_seed(0)
    model, batch = kind(SCHEMA, GRAPH).eval(), make_batch(SCHEMA)
    rbh.save(model, tmp_path / "m.safetensors")
    again = rbh.load(tmp_path / "m.safetensors")
    assert torch.equal(again(batch), model(batch))
    assert torch.equal(again.settings["graph"].edge, GRAPH.edge)


def test_edges_sent_to_padding_are_as_good_as_gone(make):
    """So they go on a device, where nobody counts what stays."""
    model, gone = make().eval(), torch.rand(len(GRAPH), generator=torch.Generator().manual_seed(0)) < 0.3
    assert 3 < gone.sum() < len(gone)
    h = model.propagate(model.edges_without(gone))
    other = model.propagate(torch.where(gone.repeat(2), 0, model.edges))
    torch.testing.assert_close(other[1:], h[1:])
    assert not torch.allclose(model.propagate(model.edges)[1:], h[1:])
