"""YAML as plain nodes: what is read, and what is refused before it costs anything."""

import pytest

from bot.policies.findings import Findings
from bot.policies.nodes import Items, Node, Pairs, Text, read_node

BRACKET = "the list in brackets that begins here never ends, or lacks a comma"


def read(text: str) -> tuple[Node | None, list[str]]:
    findings = Findings("x.yaml")
    node = read_node(text, findings)
    return node, [f"{problem.line}: {problem.reason}" for problem in findings.problems]


def test_texts_stay_as_they_are_written_and_know_their_lines() -> None:
    node, problems = read('- ask: no\n- 500.000\n- "a\\tb"\n- {x: [2024-01-01]}\n')
    assert problems == []
    assert node == Items(
        1,
        (
            Pairs(1, ((Text(1, "ask"), Text(1, "no")),)),
            Text(2, "500.000"),
            Text(3, "a\tb"),
            Pairs(4, ((Text(4, "x"), Items(4, (Text(4, "2024-01-01"),))),)),
        ),
    )


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n"])
def test_an_empty_file_is_nothing_and_no_problem(text: str) -> None:
    assert read(text) == (None, [])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("- ask: a\n- ask: b: c\n", "2: this is no valid YAML: mapping values are not allowed in this context."),
        ("- ask: 'a\n", "1: this is no valid YAML: the quote that begins here never ends."),
        ("- ask: a\n- ask: [b, c\n- ask: d\n", f"2: this is no valid YAML: {BRACKET}."),
        ("- ask: a\n\tfinds: b\n", "2: this is no valid YAML: found a tab character that violates indentation."),
        ("- &x a\n- *x\n", "1: anchors (&) and aliases (*) are not allowed."),
        ("a: 1\nb: *x\n", "2: anchors (&) and aliases (*) are not allowed."),
        ("- !!python/object:os.system x\n", "1: tags (!) are not allowed."),
        ("a: 1\n---\nb: 2\n", "2: a second document begins here."),
        ("[" * 50_000, "1: it is nested too deeply."),
        ("- a\n" * 20_001, "20000: there are more than 20,000 words and lists."),
    ],
)
def test_what_will_not_do_is_one_problem_with_its_line(text: str, problem: str) -> None:
    assert read(text) == (None, [problem])
