"""Wrong answers to the exercises of *From tables to a graph*, and a part of the hint that each must get."""

import torch


def cosine(rows):
    length = rows.norm(dim=1).clamp(min=1)
    return (rows @ rows.T / length[:, None] / length).fill_diagonal_(0)


def jaccard(R):
    shared, degree = R.T @ R, R.sum(0)
    either = degree[:, None] + degree[None] - shared
    return torch.where(either > 0, shared / either.clamp(min=1), 0.0).fill_diagonal_(0)


def no_guard(R):
    unit = R / R.norm(dim=0)
    return (unit.T @ unit).fill_diagonal_(0)


def own_neighbour(R):
    unit = R / R.norm(dim=0).clamp(min=1)
    return unit.T @ unit


def corner(user, item, U, M):
    R = torch.zeros(U, M)
    R[user, item] = 1
    return R


def one_way(user, item, U, M):
    A = torch.zeros(U + M, U + M)
    A[user, item + U] = 1
    return A


def shared_numbers(user, item, U, M):
    A = torch.zeros(U + M, U + M)
    A[user, item] = 1
    A[item, user] = 1
    return A


def counted(user, item, U, M):
    A = torch.zeros(U + M, U + M)
    for u, i in zip(user, item, strict=True):
        A[u, i + U] += 1
        A[i + U, u] += 1
    return A


def self_loops(user, item, U, M):
    A = one_way(user, item, U, M)
    return A + A.T + torch.eye(U + M)


def anywhere(R):
    reached = R
    for _ in range(10):
        reached = ((reached @ R.T @ R + reached) > 0).float()
    return (reached > 0) & (R == 0)


WRONG = [
    ("graph-1", "shared only", 2, "number of shared films"),
    ("graph-1", "no root", 2 / 9, "forgot the root"),
    ("graph-1", "Jaccard", 0.5, "That is Jaccard"),
    ("graph-1", "degrees added", 2 / (3 + 3), "do not add them"),
    ("graph-1", "all films", 0.4, "all five films"),
    ("graph-2", "people", cosine, "Those are the people"),
    ("graph-2", "NaN for cold films", no_guard, "gives 0 / 0"),
    ("graph-2", "with oneself", own_neighbour, "no neighbour of its own"),
    ("graph-2", "Jaccard", jaccard, "That is Jaccard"),
    ("graph-2", "not divided", lambda R: (R.T @ R).fill_diagonal_(0), "shared people"),
    ("graph-3", "the table", corner, "That is R"),
    ("graph-3", "one way", one_way, "one way only"),
    ("graph-3", "ids of both kinds mixed", shared_numbers, "Items begin at U"),
    ("graph-3", "twice is two", counted, "it is one edge"),
    ("graph-3", "self loops", self_loops, "no ones on the diagonal"),
    ("graph-4", "liked films listed", lambda R: R @ cosine(R.T), "already should have -1"),
    ("graph-4", "by people", lambda R: (cosine(R) @ R).masked_fill(R > 0, -1.0), "like-minded people"),
    ("graph-4", "mask turned", lambda R: (R @ cosine(R.T)).masked_fill(R == 0, -1.0), "wrong way round"),
    ("graph-4", "raw walks", lambda R: (R @ R.T @ R).masked_fill(R > 0, -1.0), "raw walks"),
    ("graph-4", "zero for liked", lambda R: (R @ cosine(R.T)) * (R == 0), "not 0"),
    ("graph-5", "liked ones, too", lambda R: (R @ R.T @ R) > 0, "Liked films are not new"),
    ("graph-5", "everything new", lambda R: R == 0, "Does a walk lead to each"),
    ("graph-5", "the whole component", anywhere, "Only three edges count"),
    ("graph-5", "counts", lambda R: R @ (R.T @ R) * (R == 0), "so compare with 0"),
    ("graph-5", "five edges", lambda R: (R @ R.T @ R @ R.T @ R > 0) & (R == 0), "five edges"),
]

# Found by a second blind attack: answers of somebody who had seen neither the checks nor the solutions.


def correlation(R):
    x = torch.nn.functional.normalize(R - R.mean(0), dim=0)
    return (x.T @ x).fill_diagonal_(0)


def size_of_edges(user, item, U, M):
    U, M = int(user.max()) + 1, int(item.max()) + 1
    A = torch.zeros(U + M, U + M)
    A[user, U + item] = A[U + item, user] = 1
    return A


WRONG += [
    (
        "graph-2",
        "divided once",
        lambda R: (R.T @ R / R.sum(0).clamp(min=1).sqrt()[:, None]).fill_diagonal_(0),
        "a cosine is symmetric",
    ),
    ("graph-2", "correlation", correlation, "That is a correlation"),
    ("graph-3", "size from the edges", size_of_edges, "may have no edge"),
    (
        "graph-4",
        "minus infinity",
        lambda R: (R @ cosine(R.T)).masked_fill(R > 0, -torch.inf),
        "Minus infinity",
    ),
    ("graph-4", "minus one", lambda R: R @ cosine(R.T) - R, "You take 1 off"),
    ("graph-5", "out of reach", lambda R: ~(R @ R.T @ R > 0) & (R == 0), "it is turned round"),
    ("graph-5", "two walks", lambda R: (R @ R.T @ R >= 2) & (R == 0), "One walk is enough"),
]
