"""An admin edits the policies while customers ask: what is said follows what was saved, and goes back at his wish."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.adapters.web.visitor import Visitor, settled, visitor
from tests.whole.program import Running, run, running
from tests.whole.shop import PROMPTS, Shop, shop
from tests.words import eventually

QUESTION = "Quần áo được đổi trả trong bao nhiêu ngày?"


async def the_shop(folder: Path) -> Shop:
    """A shop with its page only, its own copy of the sample's prompts, and no model."""
    shutil.copytree(PROMPTS, folder / "prompts")
    off: dict[str, Any] = {"telegram_bot_token": None, "discord_bot_token": None, "anthropic_api_key": ()}
    async with shop(folder, shopdesk_prompts=folder / "prompts", shopdesk_model="offline", **off) as stage:
        return stage


async def told(program: Running) -> str:
    """What the page of the program answers to a new visitor."""
    await program.is_on("web")
    url = next(line.split(" at ")[1] for line in program.lines if line.startswith("web"))
    async with visitor(url) as mai:
        return await answered(mai, 1)


async def answered(mai: Visitor, count: int) -> str:
    await mai.say(QUESTION)
    await mai.watch(settled(count))
    return mai.thread.texts[-1][1]


def save(folder: Path, old: str, new: str) -> None:
    file = folder / "prompts/policies/vi/returns.md"
    file.write_text(file.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")


@pytest.mark.timeout(120)
async def test_an_edit_is_said_at_once_and_a_rollback_outlives_a_restart_until_the_next_save(tmp_path: Path) -> None:
    stage = await the_shop(tmp_path)
    async with running(stage) as program:
        assert "**7 ngày**" in await told(program)
        save(tmp_path, "**7 ngày**", "**15 ngày**")
        await eventually(lambda: stage.rows("SELECT count(*) FROM policy_activations") == [(2,)])
        assert "**15 ngày**, đồ gia dụng" in await told(program)

        back = await run(stage, "policies", "rollback", "--reason", "nhầm số")
        assert (back.status, back.errors) == (0, "")
        assert "differs from what is live (policies/vi/returns.md)" in " ".join(back.output.split())
        assert "**7 ngày**" in await told(program)
        assert "**15 ngày**" in (tmp_path / "prompts/policies/vi/returns.md").read_text(encoding="utf-8")

    async with running(stage) as program:
        assert "**7 ngày**" in await told(program)
        note = [line for line in program.lines if line.startswith("policies  note")]
        assert "policies/vi/returns.md" in note[0]
        save(tmp_path, "**15 ngày**", "**21 ngày**")
        await eventually(lambda: stage.rows("SELECT count(*) FROM policy_activations") == [(4,)])
        assert "**21 ngày**" in await told(program)
        listed = json.loads((await run(stage, "policies", "history", "--json")).output)
        assert [len(version["changes"]) for version in listed] == [1, 1, 0]
        assert [one["is_rollback"] for one in listed[-1]["activations"]] == [False, True]
        assert listed[-1]["activations"][1]["why"] == "nhầm số"


@pytest.mark.timeout(120)
async def test_whatever_becomes_of_the_folder_the_shop_answers_and_takes_the_next_good_one(tmp_path: Path) -> None:
    stage = await the_shop(tmp_path)
    prompts, broken = tmp_path / "prompts", tmp_path / "prompts/policies/vi/payment.md"
    async with running(stage) as program:

        async def complains(words: str) -> None:
            await eventually(lambda: any(words in line for line in program.errors), timeout=20)
            assert "**7 ngày**" in await told(program)

        assert "**7 ngày**" in await told(program)
        good = broken.read_bytes()
        broken.write_text("---\ntitle: a\nlanguage: vi\n\n\n\nurl: @x\n---\n## x\n\ny\n", encoding="utf-8")
        await complains("policies/vi/payment.md:7: the front matter is no valid YAML")
        broken.write_bytes(b"x" * 10_000_000)
        await complains("policies/vi/payment.md: this file is larger than 1 MiB")
        prompts.rename(tmp_path / "away")
        await complains("this folder does not exist")
        (tmp_path / "away/policies/vi/payment.md").write_bytes(good)
        (tmp_path / "away").rename(prompts)
        await eventually(lambda: any("can be used again" in line for line in program.errors), timeout=20)
        save(tmp_path, "**7 ngày**", "**9 ngày**")
        await eventually(lambda: stage.rows("SELECT count(*) FROM policy_activations") == [(2,)], timeout=20)
        assert "**9 ngày**" in await told(program)
    assert "Traceback" not in "\n".join(program.errors)


@pytest.mark.timeout(120)
async def test_a_kill_leaves_no_way_in_and_commands_work_without_the_program(tmp_path: Path) -> None:
    stage = await the_shop(tmp_path)
    async with running(stage) as program:
        await program.is_on("web")
        await eventually((tmp_path / "data/control.json").exists)
        assert os.stat(tmp_path / "data/control.json").st_mode & 0o777 == 0o600
        await program.kill()
    save(tmp_path, "**7 ngày**", "**15 ngày**")
    taken = await run(stage, "policies", "activate", "folder", "--reason", "sửa khi tắt", "--json")
    assert (taken.status, json.loads(taken.output)["changed"]) == (0, True)
    assert (await run(stage, "policies", "rollback")).status == 0
    async with running(stage) as program:
        assert "**7 ngày**" in await told(program)


@pytest.mark.timeout(120)
async def test_in_manual_mode_a_save_waits_until_somebody_activates_it(tmp_path: Path) -> None:
    stage = await the_shop(tmp_path)
    stage.settings = stage.settings.model_copy(update={"shopdesk_policies": "manual"})
    async with running(stage) as program:
        assert "**7 ngày**" in await told(program)
        save(tmp_path, "**7 ngày**", "**15 ngày**")
        await eventually(
            lambda: stage.rows("SELECT state FROM policy_candidates ORDER BY id") == [("live",), ("waiting",)]
        )
        assert "**7 ngày**" in await told(program)
        listed = await run(stage, "policies", "list")
        assert "which waits" in listed.output
        assert (await run(stage, "policies", "activate", "folder", "--reason", "đã duyệt")).status == 0
        assert "**15 ngày**" in await told(program)
