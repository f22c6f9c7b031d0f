"""`shopdesk chat`: the same shop in the terminal, as a process of its own."""

from pathlib import Path

from tests.servers.anthropic.script import Fault
from tests.whole import program
from tests.whole.shop import echo, question_of, shop


async def test_a_conversation_in_the_terminal_survives_trouble_and_ends_with_its_input(tmp_path: Path) -> None:
    typed = ["giao mấy ngày #first", " \u0301", "hỏng #broken", "/new", "còn đây chứ?"]
    async with shop(tmp_path) as stage:
        stage.claude.fault(Fault("eof", after=2, when=lambda body: "#broken" in question_of(body)))
        ran = await program.run(stage, "chat", typed="".join(f"{line}\n" for line in typed))
        (call,) = stage.asked("còn đây chứ?")
    assert ran.status == 0
    assert "Traceback" not in ran.errors
    for said in (echo("giao mấy ngày #first"), echo("hỏng #broken"), echo("còn đây chứ?")):
        assert ran.output.count(said) == 1
    assert "#first" not in call.raw.decode()
    assert not any(line in ran.errors for line in typed if line.strip(" \u0301"))
    assert stage.telegram.log == []
