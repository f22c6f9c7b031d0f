"""`shopdesk policies search`: one question in words, or thousands of them as JSON lines."""

import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from bot.errors import ShopdeskError
from bot.policy_commands.search import add_search
from bot.settings import Settings, read_settings
from bot.storage.database import Database
from bot.storage.policies import PolicyVersions
from tests.bot.policies.shop import SAMPLE, good_files, loaded, write

HOSTILE = ["", "   ", '"NEAR( * : ^', "x" * 100_000, "\0\x1b[2J\x7f", "😀😀", "’ OR 1=1 --", "đổi trả"]


@pytest.fixture(autouse=True)
def place(tmp_path: Path) -> Iterator[Path]:
    """An empty folder, an environment without settings, and logging as it was before."""
    folder, environment, handlers = Path.cwd(), dict(os.environ), list(logging.getLogger().handlers)
    os.chdir(tmp_path)
    for name in Settings.model_fields:
        os.environ.pop(name.upper(), None)
    os.environ["SHOPDESK_PROMPTS"] = str(SAMPLE)
    yield tmp_path
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    logging.getLogger().handlers[:] = handlers


def run(*words: str, given: bytes = b"") -> Result:
    app = typer.Typer()

    @app.callback()
    def group(context: typer.Context) -> None:
        context.obj = None

    def leave(action: object) -> None:
        assert callable(action)
        try:
            raise typer.Exit(action())
        except ShopdeskError as exc:
            typer.echo(str(exc), err=True)
            raise typer.Exit(2) from None

    add_search(app, leave=leave, settings=lambda file: read_settings(file or Path(".env")))
    return CliRunner().invoke(app, ["search", *words], input=given)


def test_json_holds_the_query_and_the_sections_best_first() -> None:
    result = run("--json", "--limit", "3", "thời hạn đổi trả")

    answer = json.loads(result.stdout)
    assert list(answer) == ["query", "results"]
    assert answer["query"] == "thời hạn đổi trả"
    assert len(answer["results"]) == 3
    assert [set(one) for one in answer["results"]] == [{"policy", "heading", "score", "text"}] * 3
    assert (answer["results"][0]["policy"], answer["results"][0]["heading"]) == ("vi/returns", "Thời hạn đổi trả")
    scores = [one["score"] for one in answer["results"]]
    assert scores == sorted(scores, reverse=True)


def test_words_for_people_say_what_was_found_where_and_how_well() -> None:
    first, second, *_ = run("thời hạn đổi trả").stdout.splitlines()

    assert first.startswith(" 1. vi/returns › Thời hạn đổi trả  ")
    assert second.strip().startswith("Quần áo và phụ kiện")
    assert "Nothing was found." in run("?!").stdout
    assert "Nothing fits well" in run("lương nhân viên tháng bao nhiêu").stdout


def test_a_question_needs_no_quotation_marks() -> None:
    assert run("thoi", "han", "doi", "tra", "--json").output == run("thoi han doi tra", "--json").output


def test_each_line_of_a_batch_has_its_line_of_answer_whatever_it_holds(place: Path) -> None:
    (place / "questions.txt").write_text("\n".join(HOSTILE) + "\n", encoding="utf-8")

    result = run("--batch", "questions.txt")

    assert result.exit_code == 0
    lines = result.stdout.split("\n")
    assert lines.pop() == ""
    answers = [json.loads(line) for line in lines]
    assert [answer["query"] for answer in answers] == HOSTILE
    assert answers[0]["results"] == []
    assert answers[-1]["results"][0]["policy"] == "vi/returns"


def test_a_batch_may_come_from_another_program_with_its_own_ends_of_lines() -> None:
    given = b"\xef\xbb\xbfphi ship\r\n\xff\xfe\r\nl\xe1\xba\xa1\xe2\x80\xa8\xc2\x85x"

    result = run("--batch", "-", given=given)

    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert [answer["query"] for answer in answers] == ["phi ship", "��", "lạ\u2028\x85x"]
    assert answers[0]["results"]


def test_a_thousand_questions_take_no_longer_than_a_breath(place: Path) -> None:
    (place / "q").write_text("doi tra trong may ngay vay shop\n" * 1000, encoding="utf-8")

    assert len(run("--batch", "q", "--limit", "1").stdout.splitlines()) == 1000


async def test_what_is_live_is_searched_and_not_the_folder(place: Path) -> None:
    folder = write(place / "own", good_files())
    database = await Database.open(place / "data" / "shopdesk.db")
    await loaded(folder, PolicyVersions(database))

    while_served = run("--json", "đổi trả")
    await database.close()

    assert {one["policy"] for one in json.loads(while_served.stdout)["results"]} == {"vi/returns"}
    assert len(json.loads(while_served.stdout)["results"]) == 2
    assert while_served.stderr == ""
    assert run("--json", "đổi trả").stdout == while_served.stdout
    assert len(json.loads(run("--json", "đổi trả", "--prompts", str(SAMPLE)).stdout)["results"]) == 5


def test_on_a_new_machine_the_folder_is_searched_and_that_is_said(place: Path) -> None:
    result = run("--json", "đổi trả")

    assert "Nothing is live in data/shopdesk.db yet" in result.stderr
    assert json.loads(result.stdout)["results"]
    assert not (place / "data").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "name a question"),
        (["x", "--batch", "y"], "name a question"),
        (["--batch", "nothing"], "nothing cannot be read (No such file or directory)"),
        (["--batch", "."], ". cannot be read (Is a directory)"),
        (["x", "--prompts", "nothing"], "this folder does not exist"),
        (["x", "--limit", "0"], "greater than or equal to 1"),
    ],
)
def test_what_cannot_be_done_is_told_with_status_2(words: list[str], told: str) -> None:
    result = run(*words)

    assert result.exit_code == 2
    assert told in " ".join(result.stderr.replace("│", " ").split())


def test_a_database_that_is_none_is_told(place: Path) -> None:
    (place / "data").mkdir()
    (place / "data" / "shopdesk.db").write_bytes(b"nothing of the kind" * 100)

    assert run("x").exit_code == 2
