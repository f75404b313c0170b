"""The planted worlds say what they claim: every number of the truth is found again from the tables alone."""

import hashlib
import itertools
import math
import pickle
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from recbyhand.data import Planted, ctr, planted
from recbyhand.data.planted import GROUPS, KINDS, STRENGTH, stand_in
from recbyhand.data.titles import titles
from recbyhand.data.truth import Truth, expected_auc, expected_logloss

SUMS = ("interests+crosses", "drift+crosses", "order+taste", "fading+crosses+taste")
PLANTS = (
    *("factors", "crosses", "interests", "order", "drift", "communities", "all", "succession", "fading"),
    *SUMS,
)
WITH_HISTORY = ("interests", "order", "drift", "communities", "all", "succession", "fading", *SUMS)
USERS = 200


@pytest.fixture(scope="module")
def worlds():
    return {plant: planted(plant, users=USERS) for plant in PLANTS}


@pytest.fixture(scope="module")
def tasks(worlds):
    return {plant: ctr(world) for plant, world in worlds.items()}


def everything(task):
    """All examples of a task, in one batch."""
    parts = [task.train[:], task.valid[:], task.test[:]]
    tensors = [name for name, value in vars(parts[0]).items() if torch.is_tensor(value)]
    return replace(parts[0], **{name: torch.cat([getattr(p, name) for p in parts]) for name in tensors})


def fingerprint(world) -> str:
    """Of all that a model can see, and of the true probabilities to a thousandth."""
    tables = [
        world.users,
        world.items,
        world.views,
        world.impressions.assign(p=(1000 * world.impressions["p"]).round()),
    ]
    text = "".join(table.astype(str).to_csv(index=False) for table in tables)
    return hashlib.sha1(text.encode()).hexdigest()[:10]


RECORDED = {
    "factors": "c2583fbef7",
    "crosses": "4e0f9bf8ae",
    "interests": "48129c5fab",
    "order": "5a7b0b4118",
    "drift": "5f77f07166",
    "communities": "f2ac425dd6",
    "all": "e3adb5771c",
    "succession": "c0c8633c8d",
    "fading": "e46d6c172d",
    "interests+crosses": "d862c2d69a",
    "drift+crosses": "09cc07950b",
    "order+taste": "0d5e35c67c",
    "fading+crosses+taste": "35a3e00b9a",
}


@pytest.mark.parametrize("plant", PLANTS)
def test_the_worlds_are_those_that_were_measured(worlds, plant):
    """benchmarks/results/ holds for these very worlds: whoever changes one measures again what was recorded on it."""
    assert fingerprint(worlds[plant]) == RECORDED[plant], (
        f"the world {plant!r} is another than it was: restore it, or run again the benchmarks on it, then put its "
        "fingerprint into RECORDED"
    )


# --- tables ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("plant", PLANTS)
def test_tables(worlds, plant):
    world = worlds[plant]
    assert isinstance(world, Planted)
    assert world.targets is world.impressions
    assert world.events is world.views
    assert set(world.users["group"]) <= set(GROUPS)
    assert set(world.items["kind"]) <= set(KINDS)
    decoys = plant == "crosses"
    assert list(world.users) == ["user", "group"] + ["age"] * decoys
    assert list(world.items) == ["item", "title", "kind"] + ["decade"] * decoys
    assert world.items["title"].is_unique
    assert list(world.views) == ["user", "item", "time", "label"]
    assert list(world.impressions) == ["user", "item", "time", "label", "p"]
    per_user = (20, 14) if plant == "communities" else (60, 55)
    assert world.views["user"].value_counts().eq(per_user[0]).all()
    assert world.impressions["user"].value_counts().eq(per_user[1]).all()
    assert world.views["time"].dtype == world.impressions["time"].dtype == np.int64
    assert not set(world.views["item"]) - set(world.items["item"])
    assert "franchise" not in {*world.users, *world.items, *world.views, *world.impressions}


@pytest.mark.parametrize("plant", PLANTS)
def test_times_rise_and_never_tie(worlds, plant):
    world = worlds[plant]
    for table in (world.views, world.impressions):
        assert (table.groupby("user")["time"].diff().dropna() > 0).all()
    both = pd.concat([world.views, world.impressions])
    assert not both.duplicated(["user", "time"]).any()


def test_default_sizes():
    assert len(planted("crosses").users) == 1000
    assert len(planted("communities").users) == 4000
    task = ctr(planted("interests"))
    assert (len(task.train), len(task.valid), len(task.test)) == (40_000, 5_000, 10_000)
    task = ctr(planted("communities"))
    assert (len(task.train), len(task.valid), len(task.test)) == (40_000, 4_000, 12_000)


@pytest.mark.parametrize("plant", PLANTS)
def test_stars_and_clicks_agree(worlds, plant):
    world = worlds[plant]
    assert set(world.ratings["rating"]) <= {1.0, 2.0, 3.0, 4.0, 5.0}
    assert (world.ratings["rating"] >= 4).eq(world.impressions["label"] == 1).all()
    assert world.ratings[["user", "item", "time"]].equals(world.impressions[["user", "item", "time"]])


def test_factors_rates_nothing_twice(worlds):
    assert not worlds["factors"].ratings.duplicated(["user", "item"]).any()


@pytest.mark.parametrize("plant", PLANTS)
def test_a_seed_is_a_world(plant):
    a, b, c = (planted(plant, seed=s, users=30) for s in (3, 3, 4))
    for name in ("users", "items", "views", "impressions", "ratings"):
        pd.testing.assert_frame_equal(getattr(a, name), getattr(b, name))
    assert a.truth.best_auc == b.truth.best_auc
    for name in ("views", "impressions"):
        assert not getattr(a, name)["item"].equals(getattr(c, name)["item"])
    assert not a.items["title"].equals(c.items["title"])


def test_worlds_of_one_seed_are_unrelated():
    a, b = planted("order", users=50), planted("drift", users=50)
    assert (a.views["item"].to_numpy() == b.views["item"].to_numpy()).mean() < 0.05


def test_a_sum_keeps_the_views_and_targets_of_its_first_world():
    alone, both = planted("drift", users=50), planted("drift+crosses", users=50)
    for table in ("views", "impressions"):
        assert getattr(alone, table)["item"].equals(getattr(both, table)["item"])
    change = np.log(both.truth.p / (1 - both.truth.p)) - np.log(alone.truth.p / (1 - alone.truth.p))
    np.testing.assert_allclose(np.abs(change), 1.5)
    assert abs(change.mean()) < 0.1
    assert both.truth.fields == (("group", "kind"),)


@pytest.mark.parametrize(
    "plant", ["crosses+drift", "communities+crosses", "drift+order", "drift+", "drift+crosses+crosses"]
)
def test_what_is_no_sum(plant):
    with pytest.raises(ValueError, match=r"a sum is one of interests, .*, then \+crosses or \+taste"):
        planted(plant)


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"'intrests'.*'factors'.*'interests'.*'all'"):
        planted("intrests")
    for users in (1, 0, -5, 2.5):
        with pytest.raises(ValueError, match=f"users={users}: give a whole number, at least 2"):
            planted("order", users=users)
    with pytest.raises(ValueError, match=r"no planted world \['order'\]"):
        planted(["order"])
    assert len(planted("all", users=2).impressions) == 110


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("strength", [-50, 50])
@pytest.mark.parametrize("plant", PLANTS)
def test_the_strongest_effect_is_a_number(plant, strength):
    world = planted(plant, users=100, strength=strength)
    assert world.truth.best_auc > 0.99
    assert ctr(world).train.label.isfinite().all()


@pytest.mark.parametrize("plant", PLANTS)
def test_fast_enough(plant):
    start = time.process_time()
    planted(plant)
    assert time.process_time() - start < 2


# --- probabilities --------------------------------------------------------------------------------------


@pytest.mark.parametrize("plant", PLANTS)
def test_labels_are_drawn_from_p(plant):
    shown = planted(plant, seed=5).impressions
    for _, rows in shown.groupby(pd.cut(shown["p"], np.linspace(0, 1, 11)), observed=True):
        error = math.sqrt((rows["p"] * (1 - rows["p"])).sum()) / len(rows)
        assert abs(rows["label"].mean() - rows["p"].mean()) < 4 * error + 1e-9
    # Labels repeat neither themselves nor the order of rows: neighbours' residuals do not correlate.
    rest = (shown["label"] - shown["p"]).to_numpy()
    assert abs(np.corrcoef(rest[1:], rest[:-1])[0, 1]) < 4 / math.sqrt(len(rest))


@pytest.mark.parametrize("plant", PLANTS)
def test_without_strength_nothing_is_planted(plant):
    world = planted(plant, users=60, strength=0.0)
    if plant in ("factors", "crosses"):  # the small main effects stay
        assert world.truth.best_auc < planted(plant, users=60).truth.best_auc - 0.1
    else:
        assert world.truth.best_auc == 0.5


def test_strength_raises_the_ceiling():
    ceilings = [float(planted("drift", users=100, strength=s).truth.best_auc) for s in (0.5, 1, 2, 4)]
    assert ceilings == sorted(ceilings)
    assert STRENGTH["drift"] == 2.0


def rederived(world, batch, schema, plant=None):
    """The logits, from nothing but a batch's histories, its features and the hidden tables."""
    truth, plant = world.truth, plant or world.truth.plant
    item, user = batch.item - 2, batch.user - 2
    if "+" in plant:
        return sum(
            rederived(world, batch, schema, part) * (1.5 if part == "crosses" else 1)
            for part in plant.split("+")
        )
    if plant == "taste":
        u, v = torch.from_numpy(truth.user_vectors)[user], torch.from_numpy(truth.item_vectors)[item]
        return (u * v).sum(1)
    if plant == "communities":
        community = torch.from_numpy(truth.community)[user]
        return 4.0 * (torch.from_numpy(truth.item_community)[item] == community) - 2
    group = torch.tensor([GROUPS.index(g) for g in world.users["group"]])[user]
    kind = torch.tensor([KINDS.index(k) for k in world.items["kind"]])[item]
    if plant == "crosses":
        return torch.from_numpy(truth.cross)[group, kind]
    franchise = torch.from_numpy(truth.franchise)
    past = torch.where(batch.history_mask, franchise[(batch.history - 2).clamp(min=0)], -1)
    assert batch.history_mask.all()  # 20 views were there before the first impression
    target = franchise[item]
    many = (past == target[:, None]).sum(1) >= 2
    recent = (past[:, -4:] == target[:, None]).any(1)
    if plant == "interests":
        return 4.0 * many - 2
    if plant == "drift":
        return 4.0 * recent - 2
    if plant == "fading":
        days = (batch.time[:, None] - batch.history_time) / 86_400
        return 4.0 * ((past == target[:, None]) & (days <= 14)).any(1) - 2
    if plant == "succession":
        before = torch.from_numpy(truth.permutation)[target]
        pair = (past[:, :-1] == before[:, None]) & (past[:, 1:] == target[:, None])
        return 4.0 * pair.any(1) - 2
    follows = torch.from_numpy(truth.permutation)[past[:, -1]] == target
    if plant == "order":
        return 4.0 * follows - 2
    taste = (torch.from_numpy(truth.user_vectors)[user] * torch.from_numpy(truth.item_vectors)[item]).sum(
        1
    ) / 2
    cross = torch.from_numpy(truth.cross)[group, kind]
    return taste + cross + (2.0 * many - 1) + (2.0 * follows - 1) + (2.0 * recent - 1) + 1


@pytest.mark.parametrize("plant", WITH_HISTORY)
def test_histories_are_those_the_click_was_made_from(worlds, tasks, plant):
    batch = everything(tasks[plant])
    z = rederived(worlds[plant], batch, tasks[plant].schema)
    p = worlds[plant].truth.probability(batch)
    torch.testing.assert_close(z.double().sigmoid(), p)


def test_probability_finds_every_row(worlds, tasks):
    world, batch = worlds["factors"], everything(tasks["factors"])
    found = pd.DataFrame(
        {"user": batch.user - 1, "time": batch.time, "found": world.truth.probability(batch)}
    )
    both = world.impressions.merge(found, on=["user", "time"])
    assert len(both) == len(world.impressions)
    assert both["p"].equals(both["found"])
    batch.time = batch.time + 1
    with pytest.raises(KeyError, match="no impression of this world"):
        world.truth.probability(batch)


def test_cross_is_invisible_to_either_feature():
    world = planted("crosses", seed=2)
    cross = world.truth.cross
    assert not cross.sum(0).any()
    assert not cross.sum(1).any()
    assert (np.abs(cross) == 1).all()
    assert len(np.unique(cross, axis=0)) > 2
    # Cell by cell, z = 1.5 S + an effect of the group + an effect of the kind, and nothing else.
    shown = world.impressions.merge(world.users).merge(world.items)
    z = np.log(shown["p"] / (1 - shown["p"]))
    cells = z.groupby([shown["group"], shown["kind"]]).agg(["mean", "std"])
    assert cells["std"].max() < 1e-9
    table = cells["mean"].unstack().loc[list(GROUPS), list(KINDS)].to_numpy() - 1.5 * cross
    table -= table.mean(0, keepdims=True)
    assert np.abs(table - table.mean(1, keepdims=True)).max() < 1e-9
    assert world.truth.fields == (("group", "kind"),)


def test_permutation_is_one_cycle(worlds):
    for plant, n in (("order", 12), ("all", 12), ("succession", 8)):
        permutation, at, seen = worlds[plant].truth.permutation, 0, set()
        while at not in seen:
            seen.add(at)
            at = int(permutation[at])
        assert len(seen) == n


def test_decoys_are_as_frequent_in_the_history(worlds, tasks):
    """Counting says nothing in "order": what a decoy follows is viewed as often as what a match follows."""
    truth, batch = worlds["order"].truth, everything(tasks["order"])
    leads_to = torch.from_numpy(truth.permutation[truth.franchise])[batch.history - 2]
    count = (leads_to == torch.from_numpy(truth.franchise)[batch.item - 2][:, None]).sum(1)
    match = truth.probability(batch) > 0.5
    assert count[match].float().mean() - count[~match].float().mean() < 1.5
    assert (count[~match] > 0).float().mean() > 0.5


def test_counting_cannot_see_a_succession(tasks):
    """Both views are there either way, about as often; only their being neighbours tells."""
    batch, truth = everything(tasks["succession"]), tasks["succession"].dataset.truth
    target, past = truth.franchise[batch.item - 2], truth.franchise[batch.history - 2]
    same = (past == target[:, None]).sum(1)
    before = (past == truth.permutation[target][:, None]).sum(1)
    match = truth.probability(batch).numpy() > 0.5
    assert (same[match] > 0).all()
    assert ((same > 0) & (before > 0)).mean() > 0.99
    for count in (same, before, same * before):
        assert abs(ranking_by(count, match) - 0.5) < 0.08


def test_places_tell_less_than_days(tasks):
    """In "fading" the newest view of the franchise is nearer where it is fresh, but no number of places is a limit."""
    batch, truth = everything(tasks["fading"]), tasks["fading"].dataset.truth
    same = truth.franchise[batch.history - 2] == truth.franchise[batch.item - 2][:, None]
    age = np.where(same, np.arange(20, 0, -1), 99).min(1)
    fresh = truth.probability(batch).numpy() > 0.5
    assert 0.35 < fresh.mean() < 0.65
    best = max((fresh == (age <= places)).mean() for places in range(1, 21))
    assert best < 0.9


def ranking_by(score, label) -> float:
    """AUC, ties counted half."""
    from sklearn.metrics import roc_auc_score

    return roc_auc_score(label, score)


def test_interests_change():
    """What a user viewed first says little about the last: an id alone cannot know."""
    world = planted("interests")
    views = world.truth.franchise[world.views["item"].to_numpy() - 1].reshape(-1, 60)
    early, late = views[:, :10], views[:, -10:]
    near = views[:, -20:-10]
    share = [(a[:, :, None] == late[:, None]).mean() for a in (early, near)]
    assert share[0] < 0.5 * share[1]


def test_neighbours_of_a_community(worlds):
    world, truth = worlds["communities"], worlds["communities"].truth
    user, item = world.views["user"].to_numpy() - 1, world.views["item"].to_numpy() - 1
    right = truth.item_community[item] == truth.community[user]
    assert (right == truth.relevant_views).all()
    true = right & (truth.item_tag[item] == truth.user_tag[user])
    assert (np.bincount(user, true) >= 6).all()
    # More neighbours lie in the two decoys than in the true community, and none of those has the own tag.
    assert np.bincount(user, right).mean() < 7
    assert (np.array(KINDS)[truth.item_tag] == world.items["kind"]).all()
    assert (np.array(GROUPS)[truth.user_tag] == world.users["group"]).all()


# --- the ceiling ----------------------------------------------------------------------------------------


def double_loop(p):
    wins = pairs = 0.0
    for i, j in itertools.permutations(range(len(p)), 2):
        weight = p[i] * (1 - p[j])
        pairs += weight
        wins += weight * ((p[i] > p[j]) + 0.5 * (p[i] == p[j]))
    return wins / pairs


@pytest.mark.parametrize("p", [[0.2, 0.9], [0.5] * 7, [0, 1, 1, 0.5], list(np.linspace(0, 1, 23) ** 2)])
def test_expected_auc_is_the_double_loop(p):
    assert expected_auc(p) == pytest.approx(double_loop(p), abs=1e-12)


def test_expected_auc_with_ties_is_the_double_loop():
    rng = np.random.default_rng(0)
    for _ in range(20):
        p = rng.choice([0.1, 0.3, 0.3001, 0.8], rng.integers(2, 40))
        assert expected_auc(p) == pytest.approx(double_loop(p), abs=1e-12)


def test_intervals_hold_what_labels_give():
    rng = np.random.default_rng(1)
    p = rng.choice(rng.beta(0.8, 1.2, 100), 300)
    auc, loss = expected_auc(p), expected_logloss(p)
    drawn = (rng.random((2000, 300)) < p).astype(float)
    wins = (p[:, None] > p) + 0.5 * (p[:, None] == p)
    aucs = ((drawn @ wins) * (1 - drawn)).sum(1) / (drawn.sum(1) * (1 - drawn).sum(1))
    losses = -np.where(drawn > 0, np.log(p), np.log1p(-p)).mean(1)
    for estimate, seen in ((auc, aucs), (loss, losses)):
        assert abs(seen.mean() - estimate) < 4 * seen.std() / math.sqrt(2000) + 1 / 300**1.5
        assert (estimate.high - estimate.low) / 3.92 == pytest.approx(seen.std(), rel=0.08)
        assert 0.93 < ((estimate.low < seen) & (seen < estimate.high)).mean() < 0.97


@pytest.mark.parametrize("plant", PLANTS)
def test_the_true_p_scores_the_ceiling(plant):
    from sklearn.metrics import log_loss, roc_auc_score

    world = planted(plant, seed=1)
    task = ctr(world)
    p, y = world.truth.probability(task.test), task.test.label
    auc, loss = world.truth.ceiling(task.test)
    # Nine worlds: five standard errors leave a sound one practically no way to fail.
    assert abs(roc_auc_score(y, p) - auc) < 5 * (auc.high - auc.low) / 3.92
    assert abs(log_loss(y, p) - loss) < 5 * (loss.high - loss.low) / 3.92
    assert auc == pytest.approx(world.truth.best_auc, abs=0.01)
    assert loss == pytest.approx(world.truth.best_logloss, abs=0.015)


def test_estimates_are_floats():
    auc = expected_auc([0.5, 0.5])
    assert isinstance(auc, float)
    assert f"{auc:.2f}" == "0.50"
    auc = expected_auc([0.1, 0.6, 0.7])
    assert auc.low < auc < auc.high
    copied = pickle.loads(pickle.dumps(auc))
    assert (copied, copied.low) == (auc, pytest.approx(auc.low))
    assert repr(auc) == f"{auc:.4f} [{auc.low:.4f}, {auc.high:.4f}]"


def test_expected_auc_refuses():
    with pytest.raises(ValueError, match="between 0 and 1"):
        expected_auc([0.5, 1.2])
    with pytest.raises(ValueError, match="between 0 and 1"):
        expected_auc([0.5, math.nan])
    with pytest.raises(ValueError, match="at least 2"):
        expected_auc([0.5])
    with pytest.raises(ValueError, match="no pair to rank"):
        expected_auc([1.0, 1.0])


def test_expected_auc_is_fast():
    p = np.random.default_rng(0).random(1_000_000)
    start = time.process_time()
    expected_auc(p)
    assert time.process_time() - start < 3


# --- relevant places ------------------------------------------------------------------------------------


@pytest.mark.parametrize("plant", WITH_HISTORY)
def test_relevant_places_by_loops(worlds, tasks, plant):
    world, truth, plant = worlds[plant], worlds[plant].truth, plant.split("+")[0]
    rows = tasks[world.truth.plant].test[::7]
    for b, found in enumerate(truth.relevant(rows)):
        item, user = int(rows.item[b]) - 2, int(rows.user[b]) - 2
        past = [int(i) - 2 for i in rows.history[b]]
        for place, i in enumerate(past):
            last = place == len(past) - 1
            if plant == "communities":
                want = truth.item_community[i] == truth.community[user]
            elif plant == "order":
                want = last
            else:
                want = truth.franchise[i] == truth.franchise[item]
                if plant == "fading":
                    want = want and rows.time[b] - rows.history_time[b, place] <= 14 * 86_400
                if plant == "succession":
                    g, before = truth.franchise[item], truth.permutation[truth.franchise[item]]
                    f = [None, *truth.franchise[past], None]  # place p of the history is p + 1 here
                    here = f[place : place + 3]
                    want = here[:2] == [before, g] or here[1:] == [before, g]
                if plant == "drift":
                    want = want and place >= len(past) - 4
                if plant == "all":
                    want = want or (last and truth.permutation[truth.franchise[i]] == truth.franchise[item])
            assert bool(found[place]) == bool(want)
    assert truth.relevant(rows).any()
    assert len(world.views)


@pytest.mark.parametrize("plant", WITH_HISTORY)
def test_padding_is_never_relevant_and_moves_nothing(worlds, tasks, plant):
    truth, batch = worlds[plant].truth, tasks[plant].test[:64]
    alone = truth.relevant(batch)
    for name in ("history", "history_mask", "history_labels", "history_time"):
        column = getattr(batch, name)
        setattr(batch, name, torch.cat([column, torch.zeros_like(column[:, :3])], dim=1))
    padded = truth.relevant(batch)
    assert torch.equal(padded[:, :-3], alone)
    assert not padded[:, -3:].any()
    batch.history_mask[:] = False
    assert not truth.relevant(batch).any()
    assert truth.precision(torch.ones(batch.history.shape), batch).rows == 0


def test_precision_counts(worlds, tasks):
    truth, batch = worlds["interests"].truth, tasks["interests"].test[:500]
    relevant = truth.relevant(batch)
    best = truth.precision(relevant.float(), batch)
    assert best.precision == 1
    assert best.rows == int(relevant.any(1).sum()) < 500
    assert truth.precision(-relevant.float(), batch).precision == 0
    equal = truth.precision(torch.ones(relevant.shape), batch)  # ties: no lucky first place
    assert equal.precision == pytest.approx(equal.chance)
    assert equal.chance == pytest.approx((relevant.sum(1) / 20)[relevant.any(1)].mean().item())
    noise = truth.precision(torch.randn(relevant.shape, generator=torch.Generator().manual_seed(0)), batch)
    assert noise.precision == pytest.approx(noise.chance, abs=0.06)
    with pytest.raises(ValueError, match=r"\(500, 20\)"):
        truth.precision(torch.ones(500), batch)


def test_no_relevant_places_without_histories(worlds, tasks):
    for plant in ("factors", "crosses"):
        with pytest.raises(ValueError, match=plant):
            worlds[plant].truth.relevant(tasks[plant].test[:4])


def test_another_order_of_ids_needs_the_schema(worlds, tasks):
    """A world whose tables were shuffled before `ctr` gets other ids; with the schema the truth still fits."""
    world = worlds["interests"]
    mixed = Planted(**{**vars(world), "items": world.items.sample(frac=1, random_state=0),
                       "users": world.users.sample(frac=1, random_state=1)})  # fmt: skip
    task, straight = ctr(mixed), tasks["interests"]
    a, b = everything(task), everything(straight)
    p = [world.truth.probability(a, task.schema), world.truth.probability(b, straight.schema)]
    assert p[0].sort().values.equal(p[1].sort().values)
    relevant = world.truth.relevant(a, task.schema)
    assert (relevant.sum(1) >= 2).eq(p[0] > 0.5).all()
    assert not (world.truth.relevant(a).sum(1) >= 2).eq(p[0] > 0.5).all()


def test_unknown_ids_are_refused(worlds, tasks):
    batch = tasks["drift"].test[:3]
    batch.item[1] = 1
    with pytest.raises(ValueError, match="unknown item"):
        worlds["drift"].truth.relevant(batch)


def test_repr_names_what_is_known(worlds):
    assert isinstance(worlds["order"].truth, Truth)
    assert "permutation" in repr(worlds["order"].truth)
    assert "made up" in worlds["order"].note.lower()


# --- titles and the stand-in ----------------------------------------------------------------------------


def test_titles_are_unique_at_any_size():
    for n in (1, 500, 12_004, 13_000):
        made = titles(n, np.random.default_rng(0))
        assert len(made) == len(set(made)) == n
        assert all("\n" not in title and "  " not in title and title.strip() == title for title in made)


@pytest.mark.parametrize(
    ("name", "size"), [("100k", (943, 1682, 100_000)), ("latest-small", (610, 9724, 100_000)),
                       ("1m", (2000, 2400, 200_000))]
)  # fmt: skip
def test_stand_in(name, size):
    world = stand_in(name)
    assert (len(world.users), len(world.items)) == size[:2]
    assert len(world.ratings) == pytest.approx(size[2], rel=0.02)
    assert list(world.ratings) == ["user", "item", "rating", "time"]
    assert list(world.users) == (
        ["user"] if name == "latest-small" else ["user", "age", "gender", "occupation"]
    )
    assert list(world.items) == ["item", "title", "year", "genres"]
    assert world.items["title"].is_unique
    assert all(isinstance(genres, tuple) and genres for genres in world.items["genres"])
    assert world.ratings["rating"].between(0.5, 5).all()
    assert not world.ratings.duplicated(["user", "item"]).any()
    assert world.ratings["user"].value_counts().min() >= 20
    assert world.ratings["time"].dtype == np.int64
    assert world.ratings.duplicated(["user", "time"], keep=False).mean() > 0.5  # sessions in one second
    popular = world.ratings["item"].value_counts()
    assert popular.iloc[: len(world.items) // 10].sum() > 0.3 * len(world.ratings)  # a long tail
    assert "made up" in world.note.lower()
    assert "stand-in" in world.name
    pd.testing.assert_frame_equal(stand_in(name).ratings, world.ratings)


def test_stand_in_has_users_items_and_taste():
    """User and item means explain part of the ratings, and genres by age and sex a little more."""
    ratings = stand_in("100k").ratings
    rest = ratings["rating"] - ratings["rating"].mean()
    by_item = rest - rest.groupby(ratings["item"]).transform("mean")
    both = by_item - by_item.groupby(ratings["user"]).transform("mean")
    assert by_item.var() < 0.85 * rest.var()
    assert both.var() < 0.85 * by_item.var()
    assert both.var() > 0.6  # noise remains: nobody's stars are certain


def test_stand_in_refuses():
    with pytest.raises(ValueError, match=r"'20m'.*'100k'"):
        stand_in("20m")
