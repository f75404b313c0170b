"""A generated stand-in with the shape of MovieLens, for where there is neither a copy nor a network."""

from __future__ import annotations

import numpy as np
import pandas as pd

from recbyhand.data.tables import Tables
from recbyhand.data.titles import titles

# Users, items, ratings. "1m" is kept small: it replaces a download, not a benchmark.
_SIZES = {"100k": (943, 1682, 100_000), "1m": (2000, 2400, 200_000), "latest-small": (610, 9724, 100_000)}
_AGES = ("Under 18", "18-24", "25-34", "35-44", "45-49", "50-55", "56+")
_OCCUPATIONS = (
    "administrator",
    "artist",
    "doctor",
    "educator",
    "engineer",
    "entertainment",
    "executive",
    "healthcare",
    "homemaker",
    "lawyer",
    "librarian",
    "marketing",
    "none",
    "other",
    "programmer",
    "retired",
    "salesman",
    "scientist",
    "student",
    "technician",
    "writer",
)
_GENRES = (
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
)
_DECADES = ("1930s", "1940s", "1950s", "1960s", "1970s", "1980s", "1990s")
_EPOCH = 875_000_000


def stand_in(name: str = "100k", seed: int = 0) -> Tables:
    """Made-up tables with the columns, and roughly the habits, of a MovieLens data set.

    Few films have most ratings; users and films have means of their own; taste is of rank 4, and ages and
    sexes differ in the genres they like; ratings come in sessions, many in the same second. What is measured
    on it says nothing about real viewers. "1m" has only 200,000 ratings.

    Raises ValueError for a name other than "100k", "1m" and "latest-small".
    """
    if name not in _SIZES:
        raise ValueError(f"no stand-in for {name!r}; choose one of {', '.join(map(repr, _SIZES))}")
    n_users, n_items, n_ratings = _SIZES[name]
    rng = np.random.default_rng([list(_SIZES).index(name), seed])

    age = rng.choice(7, n_users, p=[0.04, 0.2, 0.35, 0.2, 0.08, 0.08, 0.05])
    sex = rng.choice(2, n_users, p=[0.3, 0.7])
    n_genres = rng.choice([1, 2, 3, 4], n_items, p=[0.4, 0.35, 0.18, 0.07])
    weight = np.log(rng.permutation(np.geomspace(0.3, 4, 18))) + rng.gumbel(size=(n_items, 18))
    has = np.argsort(np.argsort(-weight, 1), 1) < n_genres[:, None]  # (M, 18) whether a film has a genre

    # Liking of every film by every user, before noise: means, taste, and genres by age and sex.
    user_bias, item_bias = rng.normal(0, 0.45, (n_users, 1)), rng.normal(0, 0.5, n_items)
    taste = rng.normal(size=(n_users, 4)) @ rng.normal(size=(4, n_items)) / 2
    likes = rng.normal(0, 0.4, (7, 18))[age] + rng.normal(0, 0.4, (2, 18))[sex]  # (U, 18)
    genre = likes @ (has / n_genres[:, None]).T
    mean = 3.5 + user_bias + item_bias + 0.4 * taste + genre  # (U, M)

    # Who rates what: a long tail of popularity, a little by liking; nobody rates a film twice.
    popular = -1.1 * np.log(rng.permutation(n_items) + 15.0) + 0.8 * item_bias
    keys = popular + 0.5 * (taste + genre) + rng.gumbel(size=mean.shape)
    count = np.exp(rng.normal(0, 1.0, n_users))
    count = np.clip(20 + count / count.sum() * (n_ratings - 20 * n_users), 20, n_items // 2).astype(int)
    count[np.argmin(count)] += max(0, n_ratings - count.sum())  # what rounding lost
    order = np.argsort(-keys, axis=1)
    user = np.repeat(np.arange(n_users), count)
    place = np.arange(len(user)) - np.repeat(count.cumsum() - count, count)  # 0, 1, ... within a user
    item = order[user, place]
    stars = mean[user, item] + rng.normal(0, 0.8, len(user))
    halves = 2 if name == "latest-small" else 1
    stars = np.clip(np.round(stars * halves) / halves, 1 / halves, 5.0)

    # Sessions: from one rating to the next mostly no time or a few seconds, now and then days.
    gap = rng.choice([0, 1, 2], len(user), p=[0.55, 0.43, 0.02])
    gap = np.select(
        [gap == 1, gap == 2], [rng.integers(3, 60, len(user)), rng.integers(3600, 20 * 86_400, len(user))], 0
    )
    since = gap.cumsum()
    begin = _EPOCH + rng.integers(0, 180 * 86_400, n_users)
    time = begin[user] + since - since[count.cumsum() - count][user]
    shuffled = np.lexsort([rng.random(len(user)), user])  # taste does not rise or fall in time
    ratings = pd.DataFrame(
        {"user": user + 1, "item": item[shuffled] + 1, "rating": stars[shuffled], "time": time}
    )

    users = pd.DataFrame({"user": np.arange(1, n_users + 1)})
    if name != "latest-small":
        users["age"] = np.array(_AGES, dtype=object)[age]
        users["gender"] = np.array(["F", "M"], dtype=object)[sex]
        users["occupation"] = rng.choice(np.array(_OCCUPATIONS, dtype=object), n_users)
    decade = np.minimum(rng.geometric(0.45, n_items) - 1, len(_DECADES) - 1)
    items = pd.DataFrame(
        {
            "item": np.arange(1, n_items + 1),
            "title": titles(n_items, rng),
            "year": np.array(_DECADES[::-1], dtype=object)[decade],
            "genres": [tuple(g for g, h in zip(_GENRES, row, strict=True) if h) for row in has],
        }
    )
    return Tables(
        name=f"stand-in for MovieLens {name}",
        users=users,
        items=items,
        ratings=ratings,
        note="Made up: users, films and ratings are generated, because no MovieLens data was found. "
        "Numbers measured here say nothing about real viewers.",
    )
