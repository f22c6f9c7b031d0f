"""What a conversation costs, and what keeps it cheap: the start of each request is that of the one before."""

import json
import tomllib
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from bot.settings import Settings
from tests.servers.anthropic.script import Say, UseTool
from tests.servers.anthropic.server import Call
from tests.whole import program
from tests.whole.shop import PROMPTS, Shop, echo, shop
from tests.words import eventually

QUESTIONS = (
    "đổi trả mấy ngày?",
    "còn giày thì sao?",
    "phí ship ra Huế?",
    "có xuất hoá đơn không?",
    "bảo hành bao lâu?",
)


def blocks(body: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    """What the provider reads, in its order, and whether the cache is written behind it."""
    messages = ({"role": one["role"], **block} for one in body["messages"] for block in one["content"])
    for block in (*body.get("tools", ()), *body.get("system", ()), *messages):
        bare = {name: value for name, value in block.items() if name != "cache_control"}
        yield json.dumps(bare, ensure_ascii=False), "cache_control" in block


def cached(call: Call) -> list[str]:
    """The blocks of a request up to the last place behind which the cache is written."""
    found = list(blocks(call.body))
    last = max(index for index, (_, is_marked) in enumerate(found) if is_marked)
    return [block for block, _ in found[: last + 1]]


def begins_alike(calls: Sequence[Call]) -> None:
    """Each request begins, to the byte, with all that was cached of the one before, and has its tools and system."""
    for before, after in pairwise(calls):
        kept = cached(before)
        assert [block for block, _ in blocks(after.body)][: len(kept)] == kept
        alike = next(place for place in range(len(before.raw)) if before.raw[place] != after.raw[place])
        words = json.dumps(question(before), ensure_ascii=False).encode()
        assert words in before.raw[:alike], "the bytes differ before the end of the question"
        behind = b'],"thinking"'
        assert before.raw[before.raw.rindex(behind) :] == after.raw[after.raw.rindex(behind) :]


def question(call: Call) -> str:
    """The text behind which the cache is written last."""
    content = [block for one in call.body["messages"] for block in one["content"]]
    return str([block for block in content if "cache_control" in block and block["type"] == "text"][-1]["text"])


async def tell(stage: Shop, chat_id: int, count: int) -> None:
    await stage.telegram.wait_for(lambda: len(stage.telegram.texts(chat_id)) == count)
    answered = "SELECT count(*) FROM inbox WHERE answered_at IS NULL"
    await eventually(lambda: stage.rows(answered) == [(0,)])


async def test_every_request_of_a_conversation_begins_with_the_bytes_of_the_one_before(tmp_path: Path) -> None:
    async with shop(tmp_path, discord_bot_token=None, shopdesk_web="off") as stage:
        stage.doors = 1
        async with stage.open():
            lan = stage.telegram.customer(7)
            ids = []
            for number, words in enumerate(QUESTIONS, 1):
                ids.append(lan.write(words))
                await tell(stage, 7, number)
            lan.edit(ids[1], "còn giày và dép thì sao?")
            await tell(stage, 7, 6)
            lan.write("cảm ơn shop, còn mũ?")
            await tell(stage, 7, 7)
            calls = stage.claude.calls
            assert len(calls) == 7
            begins_alike(calls)
            assert all(call.tokens.read > 5_000 for call in calls[1:])
            assert all(call.tokens.read > 20 * (call.tokens.fresh + call.tokens.written) for call in calls[1:])
            counted = json.loads((await program.run(stage, "stats", "--json")).output)["costs"]
            read = sum(call.tokens.read for call in calls)
            rate = read / sum(call.tokens.read + call.tokens.fresh + call.tokens.written for call in calls)
            assert counted["total"]["cache_read_tokens"] == read
            assert counted["total"]["cache_hit_rate"] == rate > 0.8
            assert f" {100 * rate:.1f} % " in (await program.run(stage, "stats")).output


async def test_a_conversation_with_tools_begins_alike_in_each_of_its_rounds(tmp_path: Path) -> None:
    alone: dict[str, Any] = {"discord_bot_token": None, "shopdesk_web": "off", "shopdesk_section_tokens": 0}
    async with shop(tmp_path, **alone) as stage:
        stage.doors = 1
        asked: list[str] = []

        def searches(body: dict[str, Any]) -> Any:
            content = body["messages"][-1]["content"]
            if content[0]["type"] == "tool_result":
                return echo("tìm thấy")
            asked.append("search")
            return (Say("Để mình tìm. "), UseTool("search_policies", {"query": "đổi trả"}))

        stage.claude.answer(searches)  # type: ignore[arg-type]
        async with stage.open():
            lan = stage.telegram.customer(7)
            for number, words in enumerate(QUESTIONS, 1):
                lan.write(words)
                await tell(stage, 7, number)
            calls = stage.claude.calls
            assert (len(calls), len(asked)) == (10, 5)
            begins_alike(calls)
            assert all(call.body["tools"] == calls[0].body["tools"] for call in calls)


class Configured(Settings):
    shopdesk_config: Path | None = None


@asynccontextmanager
async def configured(folder: Path, toml: str) -> AsyncIterator[Shop]:
    """A shop with Telegram alone and this shopdesk.toml."""
    async with shop(folder, discord_bot_token=None, shopdesk_web="off") as stage:
        stage.doors = 1
        (folder / "shopdesk.toml").write_text(toml, encoding="utf-8")
        values = {**dict(stage.settings), "shopdesk_config": folder / "shopdesk.toml"}
        stage.settings = Configured(_env_file=None, **values)
        yield stage


async def test_who_is_over_the_budget_of_a_day_is_told_of_a_person_also_after_a_restart(tmp_path: Path) -> None:
    async with configured(tmp_path, "[budgets]\ncustomer_dollars = 0.000001\n") as stage:
        sorry = tomllib.loads((PROMPTS / "sentences/vi.toml").read_text(encoding="utf-8"))["over_budget"]
        sorry = sorry.format(shop="Nhà Mây")
        async with stage.open():
            lan = stage.telegram.customer(7)
            lan.write(QUESTIONS[0])
            await tell(stage, 7, 1)
            lan.write(QUESTIONS[1])
            await tell(stage, 7, 2)
            assert stage.telegram.texts(7) == [echo(QUESTIONS[0]), sorry]
        async with stage.open():
            lan.write(QUESTIONS[2])  # covered by what was said
            stage.telegram.customer(8).write(QUESTIONS[2])
            await tell(stage, 8, 1)
            assert stage.telegram.texts(8) == [echo(QUESTIONS[2])]
            assert stage.telegram.texts(7) == [echo(QUESTIONS[0]), sorry]
            assert len(stage.claude.calls) == 2
            assert stage.rows("SELECT mode FROM conversations ORDER BY id") == [("waiting",), ("bot",)]


async def test_a_budget_in_dollars_for_a_model_without_a_price_is_said_at_the_start(tmp_path: Path) -> None:
    toml = "[budgets]\nshop_dollars = 5\n"
    async with configured(tmp_path, toml) as stage:
        async with stage.open():
            assert not any(line.startswith("budgets") for line in stage.lines)
        stage.settings = stage.settings.model_copy(update={"shopdesk_model": "anthropic:claude-next"})
        async with stage.open():
            (line,) = (line for line in stage.lines if line.startswith("budgets"))
            assert line.startswith(
                "budgets   note anthropic:claude-next has no price, so budgets in dollars do not hold"
            )
            assert '[prices."claude-next"]' in line


async def test_the_switch_is_turned_while_the_shop_is_served_and_stays_off(tmp_path: Path) -> None:
    async with shop(tmp_path, discord_bot_token=None, shopdesk_web="off") as stage:
        stage.doors = 1
        assert (await program.run(stage, "model", "status")).status == 0
        async with stage.open():
            lan = stage.telegram.customer(7)
            lan.write(QUESTIONS[0])
            await stage.telegram.wait_for(lambda: stage.telegram.texts(7) == [echo(QUESTIONS[0])])
            done = await program.run(stage, "model", "off", "--reason", "câu trả lời sai")
            assert (done.status, done.errors) == (0, "")
            assert done.output.startswith("The model is switched off since ")
            assert "câu trả lời sai" in done.output
            lan.write("phí ship ra Huế?")
            await tell(stage, 7, 2)
            assert "Phí" in stage.telegram.texts(7)[1]
            assert len(stage.claude.calls) == 1
            row = next(line for line in (await program.run(stage, "check")).output.splitlines() if "switch " in line)
            assert row.startswith("! warning  switch")
            assert "The model is switched off since" in (await program.run(stage, "stats")).output
        async with stage.open():
            assert "model     off  The model is switched off since" in "\n".join(stage.lines)
            status = await program.run(stage, "model", "status", "--json")
            assert status.status == 1
            told = json.loads(status.output)
            assert (told["on"], told["reason"], told["model"]) == (
                False,
                "câu trả lời sai",
                "anthropic:claude-haiku-5-5",
            )
            lan.write("còn giày?")
            await tell(stage, 7, 3)
            assert json.loads((await program.run(stage, "model", "on", "--json")).output)["changed"] is True
            lan.write("bảo hành bao lâu?")
            await tell(stage, 7, 4)
            assert stage.telegram.texts(7)[-1] == echo("bảo hành bao lâu?")
            assert [len(stage.asked(words)) for words in ("phí ship", "còn giày?", "bảo hành")] == [0, 0, 1]
        again = await program.run(stage, "model", "on")
        assert again.output.startswith("Nothing changed. The model is on since ")


async def test_a_shop_that_is_not_served_is_switched_off_for_its_next_start(tmp_path: Path) -> None:
    async with shop(tmp_path, discord_bot_token=None, shopdesk_web="off") as stage:
        stage.doors = 1
        assert (await program.run(stage, "model", "off")).status == 0
        async with stage.open():
            stage.telegram.customer(7).write(QUESTIONS[0])
            await tell(stage, 7, 1)
            assert stage.claude.calls == []
