"""Tables of the guide for teachers, computed from the lessons and from the planted wrong answers."""

from __future__ import annotations

import ast
import re
from collections import Counter

import editions
import house
import lessons
from docutils.parsers.rst import directives

MINUTES_A_TASK = 10  # an assumption, said on the page; reading times come from the lessons
KINDS = (  # what goes wrong, and the words by which a planted mistake is told; the first that fits counts
    ("Padding, masks and empty histories", r"mask|padding|empty|nan\b|nobody|unknown"),
    ("Off by one, or in the wrong order", r"one (too|more|less|short)|plus one|minus one|from [01]|shift|order|"
     r"backwards|earl|late|first|last|next|sorted"),
    ("The wrong axis or shape", r"axis|column|row|transpos|squeez|shape|flat|batch|keepdim|diagonal|"
     r"turned\b(?! round)"),
    ("A sign, or the wrong way round", r"sign|minus|negative|other way|upside|turned round|inverted|uphill|"
     r"exchanged|swapped"),
    ("One function too many, or too few", r"sigmoid|softmax|tanh|relu|probabilit|logit|exponential|root|log|twice|"
     r"doubl|square|activation"),
    ("A sum for a mean, or divided by the wrong number", r"sum|mean|divid|average|pooled|count|n - 1|over n|median"),
    ("A term left out", r"\bno\b|without|forgot|lost|missing|left out|only|never|alone"),
)  # fmt: skip
ELSE = "Something else, such as another quantity than the one asked for"


def planted() -> list[tuple[str, str, str, str]]:
    """(chapter, lesson, exercise, mistake) of every planted wrong answer, read without running it."""
    found = []
    for path in sorted((lessons.ROOT / "tests" / "exercises" / "wrong_answers").glob("*/*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
            if isinstance(node, ast.Tuple) and len(node.elts) == 4:
                name, mistake = (
                    part.value if isinstance(part, ast.Constant) else None for part in node.elts[:2]
                )
                if (
                    isinstance(name, str)
                    and isinstance(mistake, str)
                    and re.fullmatch(r"[a-z][\w-]*-\d+", name)
                ):
                    found.append((path.parent.name, path.stem, name, mistake))
    return found


def kinds(mistakes: list[str]) -> Counter:
    """How many mistakes are of which kind; what fits none is put last."""
    return Counter(
        next((kind for kind, words in KINDS if re.search(words, mistake)), ELSE) for mistake in mistakes
    )


def split(costs: list[int], parts: int) -> list[int]:
    """Where to cut a list into so many runs, in order, that the dearest costs least: the length of each run."""
    best: dict[tuple[int, int], tuple[int, int]] = {}

    def cheapest(start: int, left: int) -> tuple[int, int]:
        if left == 1:
            return sum(costs[start:]), len(costs) - start
        if (start, left) not in best:
            ends = range(start + 1, len(costs) - left + 2)
            best[start, left] = min(
                (max(sum(costs[start:end]), cheapest(end, left - 1)[0]), end - start) for end in ends
            )
        return best[start, left]

    lengths, start = [], 0
    for left in range(parts, 0, -1):
        lengths.append(cheapest(start, left)[1])
        start += lengths[-1]
    return lengths


class Schedule(house.Made):
    """Lessons (one a line; none: all) cut into sessions of about equal length."""

    has_content = True
    required_arguments = 1
    option_spec = {"name": directives.unchanged}  # noqa: RUF012 - docutils asks for it

    def text(self) -> list[str]:
        paths = [path for path in lessons.listed() if path.is_relative_to(lessons.ROOT / "chapters")]
        if wanted := [line.strip() for line in self.content if line.strip()]:
            by_name = {f"{path.parent.name}/{path.stem}": path for path in paths}
            paths = [by_name[name] for name in wanted]
        for path in paths:
            self.env.note_dependency(str(path))
        about = [house.about(path) for path in paths]
        costs = [minutes + MINUTES_A_TASK * tasks for *_, minutes, tasks in about]
        lines = [
            f"| {self.options.get('name', 'Week')} | Lessons | Reading (min) | Exercises | Hours, about |",
            "|---|---|---|---|---|",
        ]
        start = 0
        for number, length in enumerate(split(costs, int(self.arguments[0])), start=1):
            some = slice(start, start + length)
            links = "; ".join(
                f"[{house._cell(title)}](/{path.relative_to(lessons.ROOT).as_posix()})"
                for path, (title, *_) in zip(paths[some], about[some], strict=True)
            )
            minutes, tasks = (sum(one[i] for one in about[some]) for i in (2, 3))
            lines.append(f"| {number} | {links} | {minutes} | {tasks} | {sum(costs[some]) / 60:.1f} |")
            start += length
        total = [sum(one[i] for one in about) for i in (2, 3)]
        return [*lines, f"| All | {len(paths)} lessons | {total[0]} | {total[1]} | {sum(costs) / 60:.0f} |"]


class Mistakes(house.Made):
    """What the planted wrong answers get wrong: by kind, then a few for each exercise."""

    def text(self) -> list[str]:
        rows = planted()
        counted = kinds([mistake for *_, mistake in rows])
        names = {name for *_, name, _ in rows}
        lines = [
            f"{len(rows)} wrong answers to {len(names)} exercises are planted, each with a hint of its own:",
            "",
        ]
        lines += ["| What goes wrong | Answers | Share |", "|---|---|---|"]
        lines += [f"| {kind} | {n} | {n / len(rows):.0%} |" for kind, n in counted.most_common()]
        lines += [
            "",
            "(Sorted by the words that describe them, so the shares are rough.) Three of each exercise:",
            "",
        ]
        for path in (p for p in lessons.listed() if p.is_relative_to(lessons.ROOT / "chapters")):
            of_lesson = [row for row in rows if row[:2] == (path.parent.name.partition("_")[2], path.stem)]
            parts = []
            for name in dict.fromkeys(row[2] for row in of_lesson):
                some = [house._cell(row[3]) for row in of_lesson if row[2] == name][:3]
                parts.append(f"`{name}`: {', '.join(some)}")
            lines += [f"- **{house.about(path)[0]}.** {'; '.join(parts)}"] if parts else []
        return lines


class HubLink(house.Made):
    """The link that opens this repository on a JupyterHub, from the repository's own address."""

    def text(self) -> list[str]:
        where = self.config.house_repository or "https://github.com/OWNER/REPOSITORY"
        return ["```text", editions.hub_link(where), "```"]


def setup(app):
    app.add_directive("schedule", Schedule)
    app.add_directive("typical-mistakes", Mistakes)
    app.add_directive("hub-link", HubLink)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
