"""What an admin types about the policies, and what he reads."""

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from bot.policies.version import short
from bot.policy_commands.change import policies_of
from bot.policy_commands.words import policy_commands
from bot.settings import Settings
from bot.storage.database import Database
from bot.storage.lock import locked
from bot.storage.policies import PolicyVersions
from tests.bot.policies.shop import RETURNS, good_files, write
from tests.bot.policy_commands.typed import leave

ENGLISH = "---\ntitle: Returns\n---\n## Period\n\n7 days.\n"


class Terminal:
    """A terminal in a shop's folder; the program starts and ends when it is told to."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(_env_file=None, shopdesk_data=folder / "data", shopdesk_prompts=folder / "prompts")
        self.prompts = write(folder / "prompts", good_files(policies__en__returns=ENGLISH))

    def start(self) -> None:
        """The program runs for a moment: the folder is looked at."""
        asyncio.run(self._start())

    async def _start(self) -> None:
        database = await Database.open(self.settings.database)
        try:
            await policies_of(self.settings, PolicyVersions(database)).open()
        finally:
            await database.close()

    def save(self, old: str, new: str, file: str = "policies/vi/returns.md") -> None:
        path = self.prompts / file
        path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")

    def type(self, *words: str) -> Result:
        return CliRunner().invoke(policy_commands(leave=leave, settings=lambda file: self.settings), words)

    def json(self, *words: str) -> Any:
        return json.loads(self.type(*words, "--json").stdout)

    def live(self) -> str:
        with closing(sqlite3.connect(self.settings.database)) as db:
            return str(db.execute("SELECT version_id FROM policy_activations ORDER BY id DESC").fetchone()[0])


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path)


@pytest.fixture
def edited(terminal: Terminal) -> Terminal:
    """Two versions: 7 days, then 15."""
    terminal.start()
    terminal.save("7 ngày", "15 ngày")
    terminal.start()
    return terminal


def test_a_good_folder_checks_and_says_whether_it_is_live(terminal: Terminal) -> None:
    before = terminal.type("check")
    assert (before.exit_code, before.stderr) == (0, "")
    assert before.stdout.startswith(f"{terminal.prompts} checks: 2 policies with 3 sections, sentences in vi.\n")
    terminal.start()
    assert terminal.type("check").stdout.endswith("\nIt is what is live.\n")
    terminal.save("7 ngày", "15 ngày")
    assert terminal.type("check").stdout.endswith("\nIt differs from what is live:\n  ~ policies/vi/returns.md\n")
    assert terminal.json("check")["changes"] == [{"path": "policies/vi/returns.md", "kind": "changed"}]


def test_a_folder_whose_tests_fail_does_not_check(terminal: Terminal) -> None:
    write(terminal.prompts, {"tests/x.yaml": "- ask: đổi trả mấy ngày\n  finds_nothing: true\n"})
    found = terminal.type("check")
    assert found.exit_code == 1
    assert f"\n{terminal.prompts}/tests/x.yaml:1: “đổi trả mấy ngày” should find nothing, but finds " in found.stdout
    assert "1 question of its tests fails: this does not go live, unless with --force.\n" in found.stdout
    assert terminal.json("check")["failed_tests"][0]["line"] == 1
    write(terminal.prompts, {"tests/x.yaml": "- ask: đổi trả mấy ngày\n  finds: vi/returns\n"})
    assert "\nIts test passes.\n" in terminal.type("check").stdout


def test_what_should_be_looked_at_is_told_and_keeps_nothing_from_going_live(terminal: Terminal) -> None:
    terminal.save("## Period", "## Period\n\n15 days.\n\n## Costs", "policies/en/returns.md")
    found = terminal.type("check")
    assert found.exit_code == 0
    assert f"warning {terminal.prompts}/policies/en/returns.md:4: “Period” and policies/vi/returns.md" in found.stdout
    assert "15 days only here, 7 ngày only there. Correct the one that is wrong." in found.stdout
    assert "warnings; they keep nothing from going live.\n" in found.stdout
    warnings = terminal.json("check")["warnings"]
    assert warnings[1]["file"] == f"{terminal.prompts}/policies/en/returns.md"
    assert warnings[1]["line"] == 4
    terminal.start()
    assert terminal.json("check")["changes"] == []


def test_the_list_shows_when_a_policy_counts_and_for_whom(terminal: Terminal) -> None:
    head = "title: Giờ mở cửa Tết\nvalid_from: {}\nvalid_until: {}"
    tet = RETURNS.replace("title: Đổi trả", head.format("2020-01-20", "2020-01-30 12:00"))
    write(
        terminal.prompts,
        {
            "policies/vi/a.md": tet,
            "policies/vi/b.md": RETURNS.replace("title: Đổi trả", head.format("2199-01-20", "2199-01-30")),
            "policies/vi/c.md": RETURNS.replace("title: Đổi trả", "title: Đổi trả\nvalid_from: 2020-01-01"),
            "policies/vi/d.md": RETURNS.replace("title: Đổi trả", "title: Nội bộ\naudience: staff"),
            "policies/en/c.md": ENGLISH,
        },
    )
    terminal.start()
    lines = terminal.type("list").stdout.splitlines()[1:6]
    assert [line.partition("  (")[2] for line in lines] == [
        "from 2020-01-20 until 2020-01-30 12:00, is over)",
        "from 2199-01-20 until 2199-01-30, not yet)",
        "en: always; vi: from 2020-01-01, counts now)",
        "for staff only)",
        "",
    ]
    assert terminal.json("list")["policies"][0]["terms"]["vi"] == {
        "valid_from": "2020-01-20",
        "valid_until": "2020-01-30 12:00",
        "audience": "everyone",
        "counts": False,
        "is_over": True,
    }


def test_each_problem_is_a_line_with_its_place_and_fix(terminal: Terminal) -> None:
    terminal.save("title: Đổi trả", "titel: Đổi trả")
    terminal.save("Answer", "<<<<<<< HEAD\nAnswer", "system.md")
    found = terminal.type("check")
    assert found.exit_code == 1
    assert f"{terminal.prompts}/policies/vi/returns.md:2: “titel” is no key of the front matter." in found.stdout
    assert f"{terminal.prompts}/system.md:1: a mark of a merge conflict was left in. Settle the conf" in found.stdout
    assert found.stdout.endswith("3 problems: this cannot go live.\n")
    assert terminal.json("check")["ok"] is False


def test_another_folder_can_be_checked(terminal: Terminal, tmp_path: Path) -> None:
    write(tmp_path / "other", {"x.txt": "x"})
    found = terminal.type("check", str(tmp_path / "other"))
    assert found.exit_code == 1
    assert "other/x.txt: this file does not belong here." in found.stdout
    missing = terminal.type("check", str(tmp_path / "none"))
    assert (missing.exit_code, "none: this folder does not exist." in missing.stdout) == (1, True)


def test_the_list_names_what_is_live_and_its_policies(edited: Terminal) -> None:
    found = edited.type("list")
    assert (found.exit_code, found.stderr) == (0, "")
    lines = found.stdout.splitlines()
    assert lines[0].startswith(f"live    {short(edited.live())}  since 20")
    assert lines[0].endswith("by folder: saved")
    assert lines[1] == "  returns  en 1, vi 2  Đổi trả"
    assert lines[2] == f"folder  {edited.prompts} is what is live"


def test_the_list_says_how_the_folder_differs_and_what_is_wrong_with_it(edited: Terminal) -> None:
    edited.save("Miễn phí", "Mất phí")
    found = edited.type("list")
    assert found.exit_code == 0
    assert "differs from what is live (policies/vi/returns.md): it is not live yet" in found.stdout
    edited.save("Answer from the sections.", "", "system.md")
    found = edited.type("list")
    assert found.exit_code == 1
    assert "does not check (1 problem), version" in found.stdout
    assert "system.md: this file is empty." in found.stdout
    folder = edited.json("list")["folder"]
    assert (folder["state"], len(folder["problems"]), folder["version"]) == ("refused", 1, None)


def test_the_history_is_newest_first_with_who_and_why(edited: Terminal) -> None:
    edited.type("rollback", "--reason", "nhầm số")
    lines = edited.type("history").stdout.splitlines()
    assert [line.split()[0] for line in lines if not line.startswith(" ")] != []
    newest, first = [line for line in lines if not line.startswith(" ")]
    assert newest.endswith("1 changed: policies/vi/returns.md")
    assert "  live  made" not in newest
    assert "  live  made" in first
    assert any(line.strip().startswith("back") and line.endswith(": nhầm số") for line in lines)
    assert len(edited.type("history", "--limit", "1").stdout.splitlines()) == 3


@pytest.mark.parametrize("name", ["policies/vi/returns.md", "vi/returns", "prompts/policies/vi/returns.md"])
def test_a_file_is_shown_as_it_is_live_or_was(edited: Terminal, name: str) -> None:
    assert edited.type("show", name).stdout == RETURNS.replace("7 ngày", "15 ngày")
    assert edited.type("show", "live~1", name).stdout == RETURNS
    edited.save("15 ngày", "21 ngày")
    assert "21 ngày" in edited.type("show", "folder", name).stdout
    assert edited.json("show", edited.live()[:6], name)["file"] == "policies/vi/returns.md"


def test_a_file_that_is_not_there_is_one_sentence_with_the_nearest(edited: Terminal) -> None:
    found = edited.type("show", "vi/retuns")
    assert (found.exit_code, found.stdout) == (2, "")
    assert "There is no file vi/retuns in version" in found.stderr
    assert "Did you mean policies/vi/returns.md" in found.stderr
    assert "shows what there is" in edited.type("show", "zzzz").stderr


def test_a_diff_is_by_file_and_without_one_says_so(edited: Terminal) -> None:
    assert edited.type("diff").stdout == f"live ({short(edited.live())}) and folder are the same.\n"
    lines = edited.type("diff", "live~1", "live").stdout.splitlines()
    assert "-Trong **7 ngày** kể từ ngày nhận." in lines
    assert "+Trong **15 ngày** kể từ ngày nhận." in lines
    (edited.prompts / "policies/en/returns.md").unlink()
    edited.save("Miễn phí.", "Miễn phí.\n\nLuôn luôn.")
    found = edited.type("diff")
    assert found.exit_code == 0
    assert "policies/en/returns.md  (deleted)" in found.stdout
    assert [line for line in found.stdout.splitlines() if line.startswith("+") and "+++" not in line] == [
        "+",
        "+Luôn luôn.",
    ]
    kinds = [file["change"]["kind"] for file in edited.json("diff")["files"]]
    assert kinds == ["deleted", "changed"]


def test_a_rollback_puts_nothing_into_the_folder_and_says_so(edited: Terminal) -> None:
    now = edited.live()
    before = {file: file.read_bytes() for file in edited.prompts.rglob("*.md")}
    done = edited.type("rollback")
    assert done.exit_code == 0
    assert f"is live; before it was {short(now)}." in done.stdout
    assert f"The folder {edited.prompts} differs from what is live (policies/vi/returns.md)" in done.stdout
    assert f"To undo this: shopdesk policies activate {short(now)}" in done.stdout
    assert edited.live() != now
    assert {file: file.read_bytes() for file in edited.prompts.rglob("*.md")} == before
    again = edited.type("rollback")
    assert (again.exit_code, "no version to go back to" in again.stderr) == (2, True)


def test_activation_needs_a_reason_and_a_version_that_exists(edited: Terminal) -> None:
    assert edited.type("activate", "live~1").exit_code == 2
    assert edited.type("activate", "live~1", "--reason", "  ").exit_code == 2
    unknown = edited.type("activate", "0123abcd", "--reason", "x")
    assert (unknown.exit_code, "There is no policy version 0123abcd. The last ones are" in unknown.stderr) == (2, True)
    same = edited.type("activate", "live", "--reason", "x")
    assert (same.exit_code, same.stdout) == (0, f"Version {short(edited.live())} is live already.\n")
    done = edited.json("activate", "live~1", "--reason", "lại\n\x1b[31m như cũ")
    assert done["changed"] is True
    assert edited.live() == done["version"]
    assert edited.type("history").stdout.count(": lại [31m như cũ\n") == 1


def test_a_folder_that_does_not_check_is_not_activated(edited: Terminal) -> None:
    edited.save("Answer from the sections.", "", "system.md")
    found = edited.type("activate", "folder", "--reason", "x", "--force")
    assert found.exit_code == 1
    assert "system.md: this file is empty." in found.stdout
    assert "was not made live" in found.stdout
    assert "--force" not in found.stdout


def test_a_new_machine_is_answered_from_the_folder(terminal: Terminal) -> None:
    listed = terminal.type("list")
    assert (listed.exit_code, "  returns  en 1, vi 2  Đổi trả\n" in listed.stdout) == (0, True)
    assert listed.stderr.startswith("There is no ")
    assert terminal.type("show", "vi/returns").stdout == RETURNS
    assert terminal.type("history").exit_code == 0
    assert terminal.type("diff").exit_code == 2
    assert "No policy version was live yet" in terminal.type("diff").stderr
    assert terminal.type("rollback").exit_code == 2
    assert not terminal.settings.database.exists()
    assert terminal.type("activate", "folder", "--reason", "đầu tiên").exit_code == 0
    assert terminal.type("check").stdout.endswith("It is what is live.\n")


def test_a_program_that_takes_no_commands_is_named(edited: Terminal) -> None:
    with locked(edited.settings.database):
        found = edited.type("rollback")
        listed = edited.type("list")
    assert (found.exit_code, listed.exit_code) == (2, 0)
    assert "It takes no commands" in " ".join(found.stderr.split())


def test_a_database_of_a_newer_program_is_not_read(edited: Terminal) -> None:
    with closing(sqlite3.connect(edited.settings.database)) as db:
        db.execute("PRAGMA user_version=999")
    newer = edited.type("list")
    assert (newer.exit_code, "was written by a newer Shopdesk (schema 999" in newer.stderr) == (2, True)


@pytest.mark.parametrize("words", [("show",), ("show", "a", "b", "c"), ("bogus",), ("history", "--limit", "0")])
def test_wrong_words_are_status_2(terminal: Terminal, words: tuple[str, ...]) -> None:
    assert terminal.type(*words).exit_code == 2


@pytest.mark.parametrize("words", [["list"], ["history"], ["rollback"], ["activate", "live", "--reason", "x"]])
def test_a_data_folder_that_cannot_be_looked_into_is_one_sentence(tmp_path: Path, words: list[str]) -> None:
    terminal = Terminal(tmp_path)
    terminal.settings = Settings(
        _env_file=None, shopdesk_data=tmp_path / ("x" * 300), shopdesk_prompts=terminal.prompts
    )
    found = terminal.type(*words)
    assert found.exit_code == 2
    assert "File name too long" in found.stderr
    assert len(found.stderr.splitlines()) == 1
