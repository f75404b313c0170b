"""Practices and quizzes on paper: what a screen hides beside a choice stands at the end of the lesson."""

from __future__ import annotations

import answers
import lxml.html
import pytest

from recbyhand.exercises import practices, quizzes

WHOLE = "<article><section><h1>A lesson</h1>{}</section></article>"


def _on_paper(shown: str):
    root = lxml.html.fromstring(WHOLE.format(shown))
    for script in root.xpath("//script|//style"):
        script.drop_tree()
    answers.on_paper(root)
    return root, root.get_element_by_id("answers").text_content()


def _practices(kind: str) -> list[str]:
    return [path.stem for path in practices.files() if practices.read(path)["kind"] == kind]


@pytest.mark.parametrize("kind", ["order", "shape", "predict"])
def test_practice_can_be_done_with_a_pencil(kind):
    names = _practices(kind)
    assert names
    for name in names:
        given = practices.read({path.stem: path for path in practices.files()}[name])
        root, told = _on_paper(practices.on_a_page(name))
        (shown,) = root.find_class("rbh-practice")
        assert not root.xpath("//button|//select|//input|//*[@hidden]"), name
        letters = {sign.text: sign.getparent() for sign in shown.find_class("letter")}
        if kind == "predict":
            right = told.partition(": ")[2].partition(".")[0]
            text = letters[right].text_content().removeprefix(right)
            assert (
                text.strip()
                == lxml.html.fromstring(f"<p>{practices.prose(given['options'][0][0])}</p>").text_content()
            )
            assert len(letters) == len(given["options"])
        elif kind == "order":
            order = told.partition(": ")[2].partition(".")[0].split(", ")
            assert [letters[one].text_content()[1:] for one in order] == given["lines"]
            assert set(letters) - set(order) == {s for s in letters if f"Not {s}: " in told}
            assert "Tap" not in shown.text_content()
        else:
            assert len(letters) == len(given["rows"])
            for letter, row in zip(letters, given["rows"], strict=True):
                assert f"{letter} {row['right']}: " in told
                assert row["line"] in letters[letter].text_content()
            assert all(shape in shown.text_content() for shape in given["shapes"])


def test_answers_of_a_quiz_are_the_right_ones():
    quizzes.show_quiz("din")
    asked = quizzes.QUIZZES["din"]
    root, _ = _on_paper(quizzes.show_quiz("din")._repr_html_())
    boxes = root.xpath("//fieldset")
    assert len(boxes) == len(asked)
    for number, (box, question) in enumerate(zip(boxes, asked, strict=True), 1):
        (line,) = [
            p for p in root.xpath("//*[@id='answers']/p") if p.text_content().startswith(f"Quiz, {number}:")
        ]
        letter = line.text_content().split(": ")[1][0]
        (right,) = [label for label in box.iter("label") if label.find_class("letter")[0].text == letter]
        assert right.get("data-right") == "1"
        why = next(feedback for _, is_right, feedback in question.options if is_right)
        assert lxml.html.fromstring(f"<p>{quizzes.prose(why)}</p>").text_content() in line.text_content()
    assert all(why not in box.text_content() for box in boxes for q in asked for _, _, why in q.options)


def test_a_page_without_questions_has_no_answers():
    root = lxml.html.fromstring(WHOLE.format("<p>Nothing is asked.</p>"))
    answers.on_paper(root)
    assert not root.xpath("//*[@id='answers']")
