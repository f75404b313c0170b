"""Wrong answers to the exercises of *Searching*, and a part of the hint that each must get."""

import torch


def found_part(found, exact):
    return torch.stack([torch.isin(e, f).float().mean() for f, e in zip(found, exact)])


def parts(u, book, code):
    M, _, h = book.shape
    return torch.stack([book[m][code[:, m]] @ u[m * h : (m + 1) * h] for m in range(M)], 1)  # (I, M)


def passing(retrieved, ranked, relevant, part=0.9, first=10, like=True):
    ours = (ranked.argsort(1).argsort(1) >= ranked.shape[1] - first) & (relevant if like else True)
    for k in (10, 20, 50, 100):
        through = retrieved.argsort(1).argsort(1) >= retrieved.shape[1] - k
        if (ours & through).sum() / ours.sum() >= part:
            return k
    return 0


def every_user(retrieved, ranked, relevant):
    ks = [
        passing(a[None], b[None], c[None]) or 101 for a, b, c in zip(retrieved, ranked, relevant) if c.any()
    ]
    return max(ks) if max(ks) <= 100 else 0


def mean_of_users(retrieved, ranked, relevant):
    place, ours = (-retrieved).argsort(1).argsort(1), ((-ranked).argsort(1).argsort(1) < 10) & relevant
    for k in (10, 20, 50, 100):
        if torch.nanmean((ours & (place < k)).sum(1) / ours.sum(1)) >= 0.9:
            return k
    return 0


WRONG = [
    ("search-1", "a count", 2, "a part of the four"),
    ("search-1", "place by place", 0.0, "not the places"),
    ("search-1", "of the union", 2 / 6, "divided by all rows"),
    ("search-1", "missed one", 0.25, "so is row 8"),
    ("search-1", "per cent", 50, "not in per cent"),
    ("search-2", "place by place", lambda f, e: torch.eq(f, e).double().mean(), "place by place"),
    ("search-2", "one a user", found_part, "the recall of each user"),
    ("search-2", "counts", lambda f, e: found_part(f, e) * f.shape[1], "how many were found for each user"),
    (
        "search-2",
        "anybody's list",
        lambda f, e: torch.isin(e.flatten(), f.flatten()).double().mean(),
        "somebody else",
    ),
    ("search-2", "divided twice", lambda f, e: found_part(f, e).mean() / f.shape[1], "divide by k twice"),
    ("search-2", "a count of all", lambda f, e: found_part(f, e).sum() * f.shape[1], "count over all users"),
    ("search-3", "codes only", lambda n, d, M: M * n, "codebooks take room"),
    ("search-3", "whole vectors", lambda n, d, M: 4 * n * d, "which codes replace"),
    ("search-3", "one codebook", lambda n, d, M: M * n + 1024 * d // M, "of its own"),
    ("search-3", "pieces of d", lambda n, d, M: M * n + 1024 * d * M, "not d"),
    ("search-3", "numbers of a byte", lambda n, d, M: M * n + 256 * d, "takes 4 bytes"),
    ("search-3", "bits", lambda n, d, M: 8 * M * n + 1024 * d, "8 bits"),
    ("search-4", "not added", parts, "Add them"),
    ("search-4", "a mean", lambda u, b, c: parts(u, b, c).mean(1), "A mean"),
    (
        "search-4",
        "the first table for all",
        lambda u, b, c: (b[0] @ u[: b.shape[2]])[c].sum(1),
        "the first table",
    ),
    (
        "search-4",
        "decoded",
        lambda u, b, c: torch.cat([b[m, c[:, m]] for m in range(len(b))], 1),
        "Multiply them by u",
    ),
    (
        "search-4",
        "other pieces of the user",
        lambda u, b, c: parts(u.view(-1, len(b)).T.reshape(-1), b, c).sum(1),
        "not the other way round",
    ),
    ("search-5", "all relevant", lambda a, b, c: passing(a, b, c, first=b.shape[1]), "all relevant films"),
    ("search-5", "liked or not", lambda a, b, c: passing(a, b, c, like=False), "liked or not"),
    ("search-5", "exchanged", lambda a, b, c: passing(b, a, c), "exchange the two"),
    ("search-5", "half", lambda a, b, c: passing(a, b, c, part=0.5), "Half of them"),
    ("search-5", "every user", every_user, "every single user"),
    ("search-5", "mean of users", mean_of_users, "average the parts"),
    ("search-5", "never 0", lambda a, b, c: passing(a, b, c) or 100, "the answer is 0"),
]

# Found by a second blind attack: answers of somebody who had seen neither the checks nor the solutions.


def by_codes_reversed(u, book, code):
    whole = torch.cat(
        [
            book[len(book) - 1 - m][code[:, m]] * u.view(len(book), -1)[len(book) - 1 - m]
            for m in range(len(book))
        ],
        1,
    )
    return whole.sum(1)


WRONG += [
    (
        "search-2",
        "hit rate",
        lambda f, e: sum(bool(set(a) & set(b)) for a, b in zip(f.tolist(), e.tolist())) / len(f),
        "has found anything",
    ),
    (
        "search-2",
        "of both lists",
        lambda f, e: (
            sum(len(set(a) & set(b)) / len(set(a) | set(b)) for a, b in zip(f.tolist(), e.tolist())) / len(f)
        ),
        "rows of both lists",
    ),
    ("search-3", "one piece a place", lambda films, d, M: films * M + d * 4, "256 learned pieces"),
    ("search-4", "tables reversed", lambda u, b, c: by_codes_reversed(u, b, c), "wrong order"),
    ("search-5", "more than nine tenths", lambda a, b, c: passing(a, b, c, part=0.901), "At least"),
    ("search-3", "d numbers of a byte", lambda films, d, M: films * M + 256 * M * d, "with 4 bytes each"),
]

WRONG += [
    (
        "search-4",
        "the first codebook for all",
        lambda u, b, c: sum((b[0] @ piece)[c[:, m]] for m, piece in enumerate(u.view(len(b), -1))),
        "the first codebook",
    )
]
