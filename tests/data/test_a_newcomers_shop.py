"""The page *Your own data*, tried by a newcomer: a library's three files, made up here, read by what the page says.

The files have what files of that kind have: semicolons, decimal commas, days before months, several subjects in one
text, loans without a reader, a loan that is there twice. The newcomer knows the page's five lines, changes the names,
and does what the messages say. Readers follow subjects, so a model that reads them must beat popularity clearly.
"""

from __future__ import annotations

import re
import warnings

import numpy as np
import pandas as pd
import pytest
import torch

import recbyhand as rbh

SUBJECTS = ["art", "cooking", "crime", "gardens", "history", "physics", "poetry", "sailing", "travel", "wine"]


def library(folder, readers=1000, books=300, loans=10_000, seed=3):
    """loans.csv, readers.csv and books.csv; returns each reader's two subjects and each book's first one."""
    rng = np.random.default_rng(seed)
    subject, second = rng.integers(10, size=books), rng.integers(10, size=books)
    second[rng.random(books) < 0.6] = -1  # has one subject only
    likes = np.array([rng.choice(10, 2, replace=False) for _ in range(readers)])
    fame = 1 / (1 + rng.permutation(books)) ** 0.6
    who = rng.choice(readers, loans, p=rng.dirichlet(np.full(readers, 2.0)))
    wanted = likes[who, rng.integers(2, size=loans)]
    free = rng.random(loans) > 0.8
    chance = fame * (free[:, None] | (subject == wanted[:, None]))  # (loans, books)
    what = (chance.cumsum(1) / chance.sum(1, keepdims=True) > rng.random((loans, 1))).argmax(1)
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(
        np.sort(rng.choice(300 * 86_400, loans, replace=False)), unit="s"
    )
    isbn = np.array([f"978-{i:04}" for i in range(books)])
    loan = pd.DataFrame(
        {"Reader No": 1 + who, "isbn": isbn[what], "lent_at": days.strftime("%d.%m.%Y %H:%M:%S"), "desk": 1}
    )
    loan.loc[[10, 500], "Reader No"] = np.nan
    loan = pd.concat([loan, loan.iloc[[77]]])
    loan.to_csv(folder / "loans.csv", sep=";", index=False)
    born = rng.integers(1940, 2010, readers).astype(float)
    born[::9] = np.nan
    pd.DataFrame({"Reader No": 1 + np.arange(readers), "born": born}).to_csv(
        folder / "readers.csv", sep=";", index=False
    )
    names = [
        SUBJECTS[a] if b in (a, -1) else f"{SUBJECTS[a]}|{SUBJECTS[b]}"
        for a, b in zip(subject, second, strict=True)
    ]
    weight = [f"{w:.3f}".replace(".", ",") for w in rng.lognormal(0, 0.4, books)]
    pd.DataFrame(
        {"isbn": isbn, "Title": [f"Book {i}" for i in range(books)], "subjects": names, "kilos": weight}
    ).to_csv(folder / "books.csv", sep=";", index=False)
    return likes, subject


def told(read, *files, **names) -> str:
    with pytest.raises(ValueError, match=r":|;") as error:
        read(*files, **names)
    return str(error.value)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """What the newcomer has after following the messages: the tables, the task, a trained model, and the words."""
    folder = tmp_path_factory.mktemp("library")
    likes, subject = library(folder)
    read, words = rbh.data.from_frames, []
    files = {name: folder / f"{name}.csv" for name in ("loans", "readers", "books")}
    # First try: as the files are.
    words.append(told(read, *(pd.read_csv(file) for file in files.values())))
    sep = re.search(r"read_csv\(\.\.\., sep='(.)'\)", words[-1])[1]
    loans, readers, books = (pd.read_csv(file, sep=sep, decimal=",") for file in files.values())
    # Second: names. The message says what to write.
    words.append(told(read, loans, readers, books, rating=None))
    names = dict(re.findall(r'from_frames\(\.\.\., (user|item|time|title)="([^"]+)"\)', words[-1]))
    # Third: all that is in the columns, in one round.
    words.append(told(read, loans, readers, books, **names, rating=None))
    split = eval(re.search(r"split=(\{.*?\})", words[-1])[1])
    bins = eval(re.search(r"bins=(\{.*?\})", words[-1])[1])
    number = re.search(r'pd\.to_numeric\(ratings\["(.*?)"\]\)', words[-1])
    loans = loans.assign(**{number[1]: eval(number.group(), {"pd": pd, "ratings": loans})})
    loans = loans.dropna(subset=re.search(r'dropna\(subset="(.*?)"\)', words[-1])[1])
    stamp = re.search(r"pd\.to_datetime\(.*?, dayfirst=True, utc=True\)", words[-1]).group()
    loans = loans.assign(lent_at=eval(stamp, {"pd": pd, "ratings": loans}))
    # Fourth: what could not be seen as long as the times were text.
    words.append(told(read, loans, readers, books, **names, rating=None, split=split, bins=bins))
    loans = eval(words[-1].split("keep one: ")[1].splitlines()[0], {"ratings": loans})
    how = names | {"rating": None}
    data = read(loans, readers, books, **how, split=split, bins=bins)
    with pytest.warns(UserWarning, match="with_negatives"):
        task = rbh.data.ctr(data)
    task = rbh.data.with_negatives(task, ratio=4)
    model = rbh.train(lambda s: rbh.models.PooledSequence(s, features=True), task, epochs=6, lr=0.005)
    return {
        "folder": folder, "words": words, "likes": likes, "subject": subject, "task": task, "model": model,
        "tables": (loans, readers, books), "how": how, "split": split,
    }  # fmt: skip


def of(shop, titles, wanted) -> float:
    """The share of these titles whose first subject is among `wanted`."""
    return np.isin(shop["subject"][[int(title.split()[1]) for title in titles]], wanted).mean()


def test_the_messages_lead_from_the_files_to_a_task_in_four_rounds(shop):
    first, second, third, fourth = shop["words"]
    assert "its file is cut at ';'" in first
    assert all(f'="{name}"' in second for name in ("Reader No", "isbn", "lent_at", "Title"))
    assert "Reader No is missing" in third
    assert re.search(r"ids such as '\d+\.0' and 1 never match", third), "decimal commas make text of a float"
    assert "day" in third
    assert fourth.count("in a row above too") == 1
    assert len(shop["tables"][0]) == 10_000 - 2


def test_a_model_that_reads_subjects_is_clearly_above_popularity(shop):
    popular, ours = (
        rbh.evaluate_ranking(m, shop["task"]).iloc[0]
        for m in (rbh.models.Popularity(shop["task"]), shop["model"])
    )
    assert ours["users"] > 300
    assert ours["NDCG@10"] > 1.5 * popular["NDCG@10"]
    assert ours["NDCG@10"] - popular["NDCG@10"] > 5 * max(ours["NDCG@10_se"], popular["NDCG@10_se"])


def test_known_new_and_returning_readers_get_what_they_follow(shop):
    task, model, likes = shop["task"], shop["model"], shop["likes"]
    known = np.mean(
        [of(shop, rbh.recommend(model, task, user=u, k=10)["title"], likes[u - 1]) for u in range(1, 101)]
    )
    assert known > 0.5, "two of ten subjects are a fifth by chance"
    for wanted in (0, 4, 8):  # art, history, travel
        basket = [f"978-{i:04}" for i in np.flatnonzero(shop["subject"] == wanted)[:3]]
        new = rbh.recommend(model, task, history=basket, k=10)["title"]
        assert of(shop, new, [wanted]) >= 0.5
        other = next(u for u in range(1, 50) if wanted not in likes[u - 1])
        before = rbh.recommend(model, task, user=other, k=10)["title"]
        returning = rbh.recommend(model, task, user=other, history=basket, k=10)["title"]
        assert of(shop, returning, [wanted]) > of(shop, before, [wanted])
    nobody = rbh.recommend(rbh.models.Popularity(task), task, history=[], k=5)
    assert nobody["title"].nunique() == 5


def test_a_new_book_is_shown_to_those_who_follow_its_subject(shop):
    loans, readers, books = shop["tables"]
    rbh.save(shop["model"], shop["folder"] / "library.safetensors")
    again = rbh.load(shop["folder"] / "library.safetensors")
    new = pd.DataFrame([{"isbn": "978-9999", "Title": "Book 300", "subjects": "travel", "kilos": 0.4}])
    books = pd.concat([books, new], ignore_index=True)
    data = rbh.data.from_frames(
        loans, readers, books, **shop["how"], split=shop["split"], schema=again.schema
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # every label is 1, as before
        week = rbh.data.ctr(data)
    grown = again.grown(week.schema)
    travel = SUBJECTS.index("travel")

    def place(reader: int) -> int:
        shown = rbh.recommend(grown, week, user=reader, k=len(books), seen=True)["title"]
        return [*shown].index("Book 300")

    places = {follows: [] for follows in (True, False)}
    for reader in range(1, 101):
        places[travel in shop["likes"][reader - 1]].append(place(reader))
    assert np.median(places[True]) < len(books) / 4
    assert np.median(places[True]) < np.median(places[False]) / 2
    asked = week.test[:50]
    with torch.no_grad():
        torch.testing.assert_close(grown(asked), again.eval()(asked), atol=1e-5, rtol=1e-5)
