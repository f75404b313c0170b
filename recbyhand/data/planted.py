"""Planted worlds: generated users and films in which one known effect decides what is clicked.

The best possible score is known there, so it can be asked of a mechanism whether it works. Each world is
written as its generator reads: who views what, which targets are shown, and the logit z of a click.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pandas as pd

from recbyhand.arguments import number, whole
from recbyhand.data.stand_in import stand_in
from recbyhand.data.tables import Tables
from recbyhand.data.titles import titles
from recbyhand.data.truth import Truth

__all__ = ["GROUPS", "HISTORY", "KINDS", "STRENGTH", "Planted", "planted", "stand_in"]

HISTORY = 20  # L: a click is decided by no more than so many views before it
VIEWS, IMPRESSIONS, VALID, TEST = 60, 55, 5, 10  # per user
FEW, FEW_VALID, FEW_TEST = 14, 1, 3  # impressions per user in "communities", which has more users
GROUPS = ("students", "parents", "commuters", "night owls", "gardeners", "travellers", "cooks", "pensioners")
KINDS = ("comedy", "drama", "thriller", "romance", "adventure", "documentary", "animation", "mystery")
AGES = ("under 18", "18-34", "35-54", "55 and over")
DECADES = ("1970s", "1980s", "1990s", "2000s")
STRENGTH = {
    "factors": 2.0,
    "crosses": 1.5,
    "taste": 2.0,
    "interests": 2.0,
    "order": 2.0,
    "drift": 2.0,
    "communities": 2.0,
    "all": 1.0,
    "succession": 2.0,
    "fading": 2.0,
}  # fixed before any model was tuned
FRESH = 14 * 86_400  # seconds after which a view no longer counts in "fading"
_START, _DAYS = 1_600_000_000, 300 * 86_400  # seconds


@dataclass(eq=False, repr=False, kw_only=True)
class Planted(Tables):
    """A generated data set that knows its own truth.

    views        what histories are made of: user, item, time, label (always 1)
    impressions  what is asked: user, item, time, label, p; the last 10 of a user are for test, the 5 before
                 for validation ("communities": 3 and 1)
    ratings      the same impressions as stars, 4 or more exactly where label is 1
    truth        see `Truth`
    """

    views: pd.DataFrame
    impressions: pd.DataFrame
    truth: Truth

    @property
    def targets(self) -> pd.DataFrame:
        return self.impressions

    @property
    def events(self) -> pd.DataFrame:
        return self.views


def planted(plant: str, seed: int = 0, users: int | None = None, strength: float | None = None) -> Planted:
    r"""A world with one planted effect. Labels are Bernoulli($\sigma(z)$) with s = `strength`.

    factors      $z = s\,u \cdot v / 2 + b_u + b_i$, taste vectors of rank 4
    crosses      $z = s\,S_{group, kind}$ + small effects of group and kind; S is +-1 and balanced, so that
                 neither feature alone carries any of it
    interests    $z = +s$ if at least two of the last 20 views share the target's hidden franchise, else $-s$
    order        $z = +s$ if the target's franchise follows, by a fixed permutation, that of the last view
    drift        $z = +s$ if the target's franchise is among those of the last four views
    communities  $z = +s$ if the target is in the user's true community; of the user's 20 views six are in it
                 and have the kind of the user's group, five each are in two decoys and have other kinds
    all          taste, crosses, interests, order and drift mixed: for the final ladder only
    succession   8 films, each a franchise g. $z = +s$ if among the last 20 views g's predecessor $\pi(g)$ is
                 *directly* followed by g, the target; the others have both among the 20 as well, apart
    fading       $z = +s$ if a view of the target's franchise lies at most 14 days back, however many views lie
                 between: users watch in bursts, so that places do not tell the days

    What the history decides can be one of several effects whose logits add up: "interests+crosses" has the views and
    targets of "interests", and to its z comes $s\,S_{group, kind}$; "order+taste" adds $s\,u \cdot v / 2$. First comes
    one of interests, order, drift, succession, fading, then crosses, taste, or both.

    plant     one of the nine names, or a sum
    users     1000 by default, each with 60 views and 55 impressions; 4000 in "communities", each with 20
              views and 14 impressions, so that there are 40,000 training examples either way
    strength  logit of the effect; None for the one the book uses (`STRENGTH`), to which a sum keeps its proportions

    Raises ValueError for an unknown plant, fewer than two users, or a strength beyond 50 either way.
    """
    name, *added = plant.split("+") if isinstance(plant, str) else [plant]
    if name not in list(_WORLDS):
        raise ValueError(f"no planted world {plant!r}; choose one of {', '.join(map(repr, _WORLDS))}")
    if added and (name not in _TAKES_MORE or sorted(added) != sorted({*added} & {*_ADDED})):
        raise ValueError(
            f"no planted world {plant!r}: a sum is one of {', '.join(_TAKES_MORE)}, then +{' or +'.join(_ADDED)}"
        )
    if users is None:
        users = 4000 if plant == "communities" else 1000
    users, seed = whole("users", users, least=2), whole("seed", seed, least=0)
    strength = number("strength", STRENGTH[name] if strength is None else strength, -50, 50)
    rng = np.random.default_rng([list(_WORLDS).index(name), seed])
    world = _WORLDS[name](rng, users, strength)
    for effect in added:
        more = np.random.default_rng([list(_WORLDS).index(name), seed, 1 + list(_ADDED).index(effect)])
        _ADDED[effect](more, world, users, STRENGTH[effect] / STRENGTH[name] * strength)
    return _tables(plant, seed, users, world, rng)


# ---------------------------------------------------------------------------------------------------------
# The worlds. Each returns views (U, V) and targets (U, I) as item numbers, the logits z (U, I), the features
# of users and items, and what the truth is to remember. Views and targets are interleaved: target i is shown
# after `_seen(V)[i]` views, and its history is the 20 views before.


def _factors(rng, users, s):
    n = 200
    user_vectors, item_vectors = rng.normal(size=(users, 4)), rng.normal(size=(n, 4))
    user_bias, item_bias = rng.normal(0, 0.5, users), rng.normal(0, 0.7, n)
    z = s * user_vectors @ item_vectors.T / 2 + user_bias[:, None] + item_bias  # (U, M)
    # Views follow taste. Targets are all different, the popular ones likelier: Gumbel keys, the 55 largest.
    views = _choice(rng, np.exp(z), VIEWS)
    keys = 0.7 * item_bias + rng.gumbel(size=(users, n))
    targets = rng.permuted(np.argpartition(-keys, IMPRESSIONS, axis=1)[:, :IMPRESSIONS], axis=1)
    return SimpleNamespace(
        views=views,
        targets=targets,
        z=np.take_along_axis(z, targets, 1),
        n_items=n,
        truth=dict(user_vectors=user_vectors, item_vectors=item_vectors),
    )


def _crosses(rng, users, s):
    n = 200
    group, kind = rng.integers(8, size=users), rng.permutation(np.arange(n) % 8)
    cross = _balanced(rng)
    by_group, by_kind = rng.permutation(np.linspace(-0.5, 0.5, 8)), rng.permutation(np.linspace(-0.5, 0.5, 8))
    targets = rng.integers(n, size=(users, IMPRESSIONS))
    g, k = group[:, None], kind[targets]
    return SimpleNamespace(
        views=rng.integers(n, size=(users, VIEWS)),
        targets=targets,
        n_items=n,
        group=group,
        kind=kind,
        z=s * cross[g, k] + by_group[g] + by_kind[k],
        # Two features that mean nothing: whoever looks for the planted pair has others to choose from.
        user_features={"age": _names(AGES, rng.integers(4, size=users))},
        item_features={"decade": _names(DECADES, rng.integers(4, size=n))},
        truth=dict(cross=cross, fields=(("group", "kind"),)),
    )


def _interests(rng, users, s):
    franchise, members = _franchises(rng, 400, 40)
    views = _interested(rng, users, 40)  # (U, V) franchises
    near = _pick(rng, views, 1, HISTORY)  # (U, I) franchise of some view in the history
    targets = np.where(rng.random(near.shape) < 0.55, near, rng.integers(40, size=near.shape))
    return SimpleNamespace(
        views=_items(rng, members, views),
        targets=_items(rng, members, targets),
        n_items=400,
        z=s * _sign(_count(views, targets, HISTORY) >= 2),
        truth=dict(franchise=franchise),
    )


def _order(rng, users, s):
    franchise, members = _franchises(rng, 120, 12)
    permutation = _cycle(rng, 12)
    views = _interested(rng, users, 12)
    last = _pick(rng, views, 1, 1)
    # The decoys follow, by the same permutation, an older view: only the order tells them apart.
    follows, decoy = permutation[last], permutation[_pick(rng, views, 2, HISTORY)]
    targets = _mix(rng, (0.4, follows), (0.3, decoy), (0.3, rng.integers(12, size=last.shape)))
    return SimpleNamespace(
        views=_items(rng, members, views),
        targets=_items(rng, members, targets),
        n_items=120,
        z=s * _sign(targets == follows),
        truth=dict(franchise=franchise, permutation=permutation),
    )


def _drift(rng, users, s):
    franchise, members = _franchises(rng, 120, 12)
    views = _interested(rng, users, 12, stay=0.5)
    new, old = _pick(rng, views, 1, 4), _pick(rng, views, 5, HISTORY)
    targets = _mix(rng, (0.35, new), (0.5, old), (0.15, rng.integers(12, size=new.shape)))
    return SimpleNamespace(
        views=_items(rng, members, views),
        targets=_items(rng, members, targets),
        n_items=120,
        z=s * _sign(_count(views, targets, 4) > 0),
        truth=dict(franchise=franchise),
    )


def _communities(rng, users, s):
    tags, communities, each = 6, 12, 8  # an item has a tag, which is seen, and a community, which is hidden
    n = tags * communities * each
    members = rng.permutation(n).reshape(tags, communities, each)
    item_tag, item_community = np.empty(n, int), np.empty(n, int)
    item_tag[members] = np.arange(tags)[:, None, None]
    item_community[members] = np.arange(communities)[:, None]
    # Every user has three communities, each with a tag of its own. The first is the true one: its tag is
    # the user's. Of 20 neighbours 6 come from it, 5 from each of the decoys, and 4 from anywhere.
    tag, community = _pick_columns(rng, users, tags, 3), _pick_columns(rng, users, communities, 3)
    neighbours = [
        rng.permuted(members[tag[:, k], community[:, k]], axis=1)[:, :edges]
        for k, edges in enumerate((6, 5, 5))
    ]
    views = rng.permuted(np.concatenate([*neighbours, rng.integers(n, size=(users, 4))], axis=1), axis=1)
    # Few targets, or their ids alone would give the community away.
    shape = (users, FEW)
    which = rng.choice(4, shape, p=[0.4, 0.2, 0.2, 0.2])
    asked = np.where(
        which < 3, community[np.arange(users)[:, None], which % 3], rng.integers(communities, size=shape)
    )
    targets = members[rng.integers(tags, size=shape), asked, rng.integers(each, size=shape)]
    tag, community = tag[:, 0], community[:, 0]
    return SimpleNamespace(
        views=views,
        targets=targets,
        n_items=n,
        group=tag,
        kind=item_tag,
        z=s * _sign(asked == community[:, None]),
        truth=dict(
            community=community,
            item_community=item_community,
            user_tag=tag,
            item_tag=item_tag,
            relevant_views=(item_community[views] == community[:, None]).ravel(),
        ),
    )


def _all(rng, users, s):
    franchise, members = _franchises(rng, 120, 12)
    permutation, cross = _cycle(rng, 12), _balanced(rng)
    group, kind = rng.integers(8, size=users), rng.permutation(np.arange(120) % 8)
    user_vectors, item_vectors = rng.normal(size=(users, 4)), rng.normal(size=(120, 4))
    views = _interested(rng, users, 12, stay=0.3)
    last, new, near = _pick(rng, views, 1, 1), _pick(rng, views, 1, 4), _pick(rng, views, 1, HISTORY)
    asked = _mix(
        rng, (0.2, permutation[last]), (0.2, new), (0.3, near), (0.3, rng.integers(12, size=last.shape))
    )
    targets = _items(rng, members, asked)
    taste = np.einsum("ud,uid->ui", user_vectors, item_vectors[targets]) / 2
    z = s * (
        taste
        + cross[group[:, None], kind[targets]]
        + _sign(_count(views, asked, HISTORY) >= 2)
        + _sign(asked == permutation[last])
        + _sign(_count(views, asked, 4) > 0)
        + 1
    )
    return SimpleNamespace(
        views=_items(rng, members, views),
        targets=targets,
        z=z,
        n_items=120,
        group=group,
        kind=kind,
        truth=dict(
            franchise=franchise,
            permutation=permutation,
            cross=cross,
            user_vectors=user_vectors,
            item_vectors=item_vectors,
            fields=(("group", "kind"),),
        ),
    )


def _succession(rng, users, s):
    n = 8
    franchise, members = _franchises(rng, n, n)
    predecessor = _cycle(rng, n)
    views = rng.integers(n, size=(users, VIEWS))
    is_g = views[..., None] == np.arange(n)  # (U, V, n)
    follows = is_g & np.pad(views[:, :-1, None] == predecessor, ((0, 0), (1, 0), (0, 0)))  # (U, V, n)
    count = _in_window(is_g, HISTORY)  # (U, I, n)
    planted = _in_window(follows, HISTORY - 1) > 0  # (U, I, n): both views lie in the window
    chances = count * count[..., predecessor]  # (U, I, n) how many pairs could have been neighbours
    # Half of the targets succeed their predecessor. The others are the likelier the more often they could have, so
    # that counting does not tell them apart.
    wanted = rng.random((users, IMPRESSIONS, 1)) < 0.5
    weight = np.where(planted == wanted, np.where(planted, 1.0, chances**2.0) * (chances > 0), 0) + 1e-9
    targets = (np.log(weight) + rng.gumbel(size=weight.shape)).argmax(-1)  # (U, I)
    z = s * _sign(np.take_along_axis(planted, targets[..., None], -1)[..., 0])
    return SimpleNamespace(
        views=_items(rng, members, views),
        targets=_items(rng, members, targets),
        n_items=n,
        z=z,
        truth=dict(franchise=franchise, permutation=predecessor),
    )


def _fading(rng, users, s):
    franchise, members = _franchises(rng, 120, 12)
    views = _interested(rng, users, 12)
    near, far = _pick(rng, views, 1, HISTORY // 2), _pick(rng, views, HISTORY // 2 + 1, HISTORY)
    targets = _mix(rng, (0.4, near), (0.4, far), (0.2, rng.integers(12, size=near.shape)))
    time = _times(rng, users, VIEWS + IMPRESSIONS, bursts=True)
    seen, view_time, asked_time = _seen(VIEWS, IMPRESSIONS), *_split(time, VIEWS, IMPRESSIONS)
    fresh = np.zeros(targets.shape, bool)
    for back in range(1, HISTORY + 1):
        recent = asked_time - view_time[:, seen - back] <= FRESH
        fresh |= recent & (views[:, seen - back] == targets)
    return SimpleNamespace(
        views=_items(rng, members, views),
        targets=_items(rng, members, targets),
        n_items=120,
        z=s * _sign(fresh),
        time=time,
        truth=dict(franchise=franchise),
    )


def _and_crosses(rng, world, users, s):
    world.group, world.kind = rng.integers(8, size=users), rng.permutation(np.arange(world.n_items) % 8)
    cross = _balanced(rng)
    world.z = world.z + s * cross[world.group[:, None], world.kind[world.targets]]
    world.truth |= dict(cross=cross, fields=(("group", "kind"),))


def _and_taste(rng, world, users, s):
    user_vectors, item_vectors = rng.normal(size=(users, 4)), rng.normal(size=(world.n_items, 4))
    world.z = world.z + s * np.einsum("ud,uid->ui", user_vectors, item_vectors[world.targets]) / 2
    world.truth |= dict(user_vectors=user_vectors, item_vectors=item_vectors)


_ADDED = {"crosses": _and_crosses, "taste": _and_taste}  # to a world whose history decides
_TAKES_MORE = ("interests", "order", "drift", "succession", "fading")
_WORLDS = {
    "factors": _factors,
    "crosses": _crosses,
    "interests": _interests,
    "order": _order,
    "drift": _drift,
    "communities": _communities,
    "all": _all,
    "succession": _succession,
    "fading": _fading,
}


# ---------------------------------------------------------------------------------------------------------
# The parts they are made of


def _seen(views: int, impressions: int) -> np.ndarray:
    """(I,) how many views come before each impression: 20 before the first, then evenly spread."""
    return HISTORY + np.arange(impressions) * (views - HISTORY + 1) // impressions


def _interested(rng, users: int, n: int, stay: float = 0.0) -> np.ndarray:
    """(U, V) franchises viewed: 70 % of views are inside the user's four interests, which change in time.

    Each interest gives way to a new one once, at another moment, so what a user liked long ago misleads.
    With probability `stay` a view is of the same franchise as the one before.
    """
    interests = _pick_columns(rng, users, n, 8).reshape(users, 2, 4)  # four first, four later
    which = rng.integers(4, size=(users, VIEWS))
    later = np.arange(VIEWS) >= np.array([12, 24, 36, 48])[which]
    views = interests[np.arange(users)[:, None], later.astype(int), which]
    views = np.where(rng.random(views.shape) < 0.7, views, rng.integers(n, size=views.shape))
    again = rng.random(views.shape) < stay
    for v in range(1, VIEWS):
        views[:, v] = np.where(again[:, v], views[:, v - 1], views[:, v])
    return views


def _pick(rng, views: np.ndarray, newest: int, oldest: int) -> np.ndarray:
    """(U, I) the franchise of a random view between `newest` and `oldest` places back, 1 = the last."""
    back = rng.integers(newest, oldest + 1, size=(len(views), IMPRESSIONS))
    return np.take_along_axis(views, _seen(VIEWS, IMPRESSIONS) - back, 1)


def _count(views: np.ndarray, targets: np.ndarray, last: int) -> np.ndarray:
    """(U, I) how many of the last views before each target share its franchise."""
    seen = _seen(VIEWS, IMPRESSIONS)
    return sum((views[:, seen - back] == targets).astype(np.int8) for back in range(1, last + 1))


def _in_window(what: np.ndarray, last: int) -> np.ndarray:
    """(U, V, n) bool -> (U, I, n): how many of the last views before each impression it holds for."""
    total = np.pad(what.cumsum(1), ((0, 0), (1, 0), (0, 0)))  # (U, V + 1, n)
    seen = _seen(VIEWS, IMPRESSIONS)
    return total[:, seen] - total[:, seen - last]


def _mix(rng, *shares) -> np.ndarray:
    """Entry by entry one of the arrays, each with its probability."""
    (_, first), *rest = shares
    draw, below, mixed = rng.random(first.shape), shares[0][0], first.copy()
    for share, values in rest:
        mixed = np.where(draw >= below, values, mixed)
        below += share
    return mixed


def _franchises(rng, items: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The franchise of each item (M,), and the items of each franchise (n, M/n)."""
    franchise = rng.permutation(np.arange(items) % n)
    return franchise, np.argsort(franchise, kind="stable").reshape(n, -1)


def _items(rng, members: np.ndarray, franchises: np.ndarray) -> np.ndarray:
    """A random item of each franchise asked for."""
    return members[franchises, rng.integers(members.shape[1], size=franchises.shape)]


def _pick_columns(rng, users: int, n: int, k: int) -> np.ndarray:
    """(U, k) different numbers below n for each user."""
    return rng.permuted(np.argpartition(rng.random((users, n)), k - 1, axis=1)[:, :k], axis=1)


def _choice(rng, weights: np.ndarray, k: int) -> np.ndarray:
    """(U, k) columns drawn with replacement, in proportion to the weights (U, M) of each row."""
    below = weights.cumsum(1) / weights.sum(1, keepdims=True)
    row = np.arange(len(weights))[:, None]
    # One sorted list for all rows: row r occupies (r, r + 1].
    at = np.searchsorted((below + row).ravel(), rng.random((len(weights), k)) + row)
    return np.minimum(at - row * weights.shape[1], weights.shape[1] - 1)


def _balanced(rng) -> np.ndarray:
    """A random (8, 8) table of +-1 whose rows and columns all sum to 0."""
    table = np.where((np.arange(8)[:, None] + np.arange(8)) % 8 < 4, 1, -1)
    for _ in range(200):  # turning a 2 x 2 checkerboard round keeps every sum
        (a, b), (c, d) = rng.choice(8, 2, replace=False), rng.choice(8, 2, replace=False)
        corner = table[[[a], [b]], [[c, d]]]
        if corner[0, 0] == corner[1, 1] == -corner[0, 1] == -corner[1, 0]:
            table[[[a], [b]], [[c, d]]] *= -1
    return table


def _cycle(rng, n: int) -> np.ndarray:
    """A random permutation that is one single cycle: nothing follows itself."""
    order = rng.permutation(n)
    permutation = np.empty(n, int)
    permutation[order] = np.roll(order, -1)
    return permutation


def _sign(condition: np.ndarray) -> np.ndarray:
    return np.where(condition, 1.0, -1.0)


def _names(names: tuple[str, ...], numbers: np.ndarray) -> pd.Series:
    return pd.Series(np.array(names, dtype=object)[numbers])


# ---------------------------------------------------------------------------------------------------------
# From numbers to tables


def _times(rng, users: int, n: int, bursts: bool = False) -> np.ndarray:
    """(U, n) seconds, each user's strictly rising over the same 300 days; in bursts, a pause in every ten gaps."""
    gaps = rng.exponential(size=(users, n + 1))
    if bursts:
        gaps *= np.where(rng.random(gaps.shape) < 0.1, 30, 1)
    gaps = gaps.cumsum(1)
    return _START + (gaps[:, :-1] / gaps[:, -1:] * (_DAYS - n)).astype(np.int64) + np.arange(n)


def _split(time: np.ndarray, views: int, asked: int) -> tuple[np.ndarray, np.ndarray]:
    """The times of the views (U, V) and of the impressions (U, I), which lie between them."""
    shown = _seen(views, asked)
    # View v comes after the impressions that want at most v views before them.
    place = np.arange(views) + (shown[None] <= np.arange(views)[:, None]).sum(1)
    return time[:, place], time[:, np.arange(asked) + shown]


def _tables(plant: str, seed: int, users: int, world: SimpleNamespace, rng) -> Planted:
    n, views, asked = world.n_items, world.views.shape[1], world.targets.shape[1]
    group = getattr(world, "group", None)
    kind = getattr(world, "kind", None)
    group = rng.integers(8, size=users) if group is None else group
    kind = rng.permutation(np.arange(n) % 8) if kind is None else kind
    user_ids, item_ids = np.arange(1, users + 1), np.arange(1, n + 1)

    time = getattr(world, "time", None)
    view_time, asked_time = _split(_times(rng, users, views + asked) if time is None else time, views, asked)
    view_table = pd.DataFrame(
        {
            "user": np.repeat(user_ids, views),
            "item": item_ids[world.views].ravel(),
            "time": view_time.ravel(),
            "label": np.float32(1),
        }
    )
    # A click is a latent liking above 0 with logistic noise, which happens with probability sigmoid(z);
    # the stars cut the same latent number, so that 4 stars or more and a click are one thing.
    noise = rng.random(world.z.shape)
    liking = (world.z - np.log(noise / (1 - noise))).ravel()
    when = asked_time.ravel()
    who, what = np.repeat(user_ids, asked), item_ids[world.targets].ravel()
    p = 1 / (1 + np.exp(-world.z.ravel()))
    impressions = pd.DataFrame(
        {"user": who, "item": what, "time": when, "label": (liking > 0).astype(np.float32), "p": p}
    )
    ratings = pd.DataFrame(
        {"user": who, "item": what, "rating": 1.0 + np.searchsorted([-4, -2, 0, 2], liking), "time": when}
    )
    truth = Truth(
        plant=plant, p=p, user=who - 1, time=when, user_ids=user_ids, item_ids=item_ids, **world.truth
    )
    return Planted(
        name=f"planted {plant}",
        users=pd.DataFrame(
            {"user": user_ids, "group": _names(GROUPS, group), **getattr(world, "user_features", {})}
        ),
        items=pd.DataFrame(
            {
                "item": item_ids,
                "title": titles(n, rng),
                "kind": _names(KINDS, kind),
                **getattr(world, "item_features", {}),
            }
        ),
        ratings=ratings,
        valid=FEW_VALID if asked == FEW else VALID,
        test=FEW_TEST if asked == FEW else TEST,
        views=view_table,
        impressions=impressions,
        truth=truth,
        note=f"Made up (seed {seed}): users, films and clicks. Best possible AUC {truth.best_auc:.3f}.",
    )
