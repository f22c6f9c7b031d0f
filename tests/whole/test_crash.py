"""The process is killed at the worst moment and started again: nothing is lost, nothing is said twice."""

from pathlib import Path

import pytest

from tests.servers.anthropic.script import Fault, Say
from tests.whole.program import running
from tests.whole.shop import Shop, echo, question_of, shop
from tests.words import eventually


async def nothing_waits(stage: Shop) -> None:
    """Until all is answered; a new process may have to start first."""
    await eventually(lambda: stage.rows("SELECT count(*) FROM inbox WHERE answered_at IS NULL") == [(0,)], timeout=30)


async def tempt_to_log(stage: Shop) -> None:
    """Faults whose reports hold what people wrote."""
    ann = stage.telegram.customer(9)
    stage.claude.fault(Fault("http", status=400, message="messages.9.content: 'chuyện riêng của em' is not allowed"))
    ann.write("chuyện riêng của em")
    stage.telegram.push_update({"message": {"message_id": "?", "chat": 5, "text": "khó đọc"}})
    stage.telegram.fail("refuse_entities", "sendMessage", chat_id=9)
    await stage.telegram.wait_for(lambda: stage.telegram.texts(9))
    await eventually(lambda: stage.rows("SELECT count(*) FROM parked_updates") == [(1,)])


@pytest.mark.timeout(60)
async def test_what_was_stored_before_a_kill_is_answered_once_after_the_next_start(tmp_path: Path) -> None:
    secret = "mã đơn bí mật 4711"
    async with shop(tmp_path, discord_bot_token=None) as stage:
        stage.claude.fault(Fault("slow", seconds=-1.0, when=lambda body: secret in question_of(body)))
        stage.script["#done"] = [Say("Xong.")]
        lan, mai = stage.telegram.customer(7, "Tên Rất Riêng"), stage.telegram.customer(8)
        async with running(stage) as program:
            await program.is_on("telegram")
            mai.write("#done")
            await stage.telegram.wait_for(lambda: stage.telegram.texts(8) == ["Xong."])
            await tempt_to_log(stage)
            lan.write(secret)
            await stage.claude.until(lambda: bool(stage.asked(secret)))
            await program.kill()
        first = program
        lan.write("viết lúc chương trình tắt")
        async with running(stage) as program:
            await stage.telegram.wait_for(lambda: "tắt" in "".join(stage.telegram.texts(7)), timeout=30)
            await nothing_waits(stage)
        assert stage.telegram.texts(8) == ["Xong."]
        said = "\n".join(stage.telegram.texts(7))
        assert said.count(secret) == 1
        assert said.count("viết lúc chương trình tắt") == 1
        assert stage.telegram.texts(7)[0] in (echo(secret), echo(f"{secret}\nviết lúc chương trình tắt"))
        printed = "\n".join(first.lines + first.errors + program.lines + program.errors)
        assert "ModelRejected" in printed
        for text in (secret, "Tên Rất Riêng", "viết lúc", "Xong.", "#done", "khó đọc", "chuyện riêng"):
            assert text not in printed
        assert "Traceback" not in printed


@pytest.mark.timeout(60)
@pytest.mark.parametrize("length", [40, 6_000])
async def test_an_answer_that_a_kill_cut_off_is_finished_in_the_messages_that_are_there(
    tmp_path: Path, length: int
) -> None:
    whole = ("mua hàng " * (length // 9)).strip()
    async with shop(tmp_path, discord_bot_token=None, claude={"rate": 40.0, "piece": max(4, length // 40)}) as stage:
        lan = stage.telegram.customer(7)
        stage.script["#slow"] = [Say(whole)]
        async with running(stage) as program:
            await program.is_on("telegram")
            lan.write("#slow")
            await stage.telegram.wait_for(lambda: sum(map(len, stage.telegram.texts(7))) > length // 3)
            await program.kill()
        begun = len(stage.telegram.texts(7))
        async with running(stage):
            await stage.telegram.wait_for(lambda: " ".join(stage.telegram.texts(7)) == whole, timeout=40)
            await nothing_waits(stage)
        assert begun >= 1
        assert " ".join(stage.telegram.texts(7)) == whole
        assert stage.rows("SELECT count(*) FROM outbox") == [(0,)]
