"""A canary in the whole program: the short form of `tests.bench.canary`, and the command beside it."""

import json
import sys
from pathlib import Path

import pytest

from tests.bench.canary import canary, line
from tests.servers.anthropic import AnthropicServer
from tests.whole import program
from tests.whole.shop import Shop, echo, shop

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the program is started as a fork"),
    pytest.mark.timeout(180),
]
NEW = "try:claude-haiku-5-5"


@pytest.mark.parametrize("name", ["20 % of 529", "dead"])
async def test_a_canary_that_fails_is_rolled_back_within_a_minute_and_everybody_has_one_answer(name: str) -> None:
    ran = await canary(name, 55.0, rate=10.0, percent=30, turns=15)
    assert ran.is_good(), line(ran)


async def told(stage: Shop, *words: str, status: int = 0) -> dict[str, object]:
    done = await program.run(stage, "canary", *words, "--json")
    assert (done.status, done.errors) == (status, "")
    return dict(json.loads(done.output))


async def test_the_command_works_beside_a_running_shop_and_without_one(tmp_path: Path) -> None:
    other_key = "sk-ant-other"
    async with (
        AnthropicServer(keys=(other_key,)) as other,
        shop(tmp_path, discord_bot_token=None, shopdesk_web="off", claude={"keys": (other_key, "sk-ant-one")}) as stage,
    ):
        stage.doors = 1
        other.answer("câu trả lời thử")
        toml = f'[providers.try]\nkind = "anthropic"\nbase_url = "{other.url}"\nkeys_env = "ANTHROPIC_API_KEY"\n'
        assert stage.settings.config_file
        stage.settings.config_file.write_text(toml, encoding="utf-8")
        stage.settings = stage.settings.model_copy(update={"shopdesk_model": "anthropic:claude-haiku-5-5"})
        assert (await told(stage, "status"))["state"] == "none"
        wrong = await program.run(stage, "canary", "start", "--model", "tri:x")
        assert (wrong.status, wrong.errors.strip()) == (
            2,
            "shopdesk: tri:x is to answer, but there is no provider tri: did you mean try?",
        )
        assert (await told(stage, "start", "--model", NEW, "--stages", "50,100"))["percent"] == 50
        async with stage.open():
            lan = stage.telegram.customer(7)
            again = await program.run(stage, "canary", "start", "--model", NEW)
            assert again.errors.startswith("shopdesk: One runs already: try:claude-haiku-5-5 is tried on 50 %.")
            assert (await told(stage, "promote", "--reason", "tốt"))["percent"] == 100
            lan.write("áo này?")
            await stage.telegram.wait_for(lambda: stage.telegram.texts(7) == ["câu trả lời thử"])
            assert (await told(stage, "promote"))["state"] == "promoted"
            status = await program.run(stage, "canary", "status")
            assert "set SHOPDESK_MODEL=try:claude-haiku-5-5 in .env" in status.output
            assert (await told(stage, "rollback", "--reason", "đủ rồi"))["state"] == "rolled_back"
            lan.write("còn quần?")
            await stage.telegram.wait_for(lambda: stage.telegram.texts(7)[-1] == echo("còn quần?"))
        assert stage.rows("SELECT variant FROM turns WHERE role = 'assistant' ORDER BY id") == [(1,), (None,)]
        assert "đủ rồi" in (await program.run(stage, "canary", "status")).output
