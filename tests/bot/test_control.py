"""Commands to the program that runs: over a real port, with strangers on it."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.control import FILE, Control, NotListening, ask
from bot.errors import ControlError, StorageError
from tests.words import eventually


async def double(arguments: Mapping[str, Any]) -> Any:
    return {"double": arguments["number"] * 2, "words": "đổi trả"}


async def refuse(arguments: Mapping[str, Any]) -> Any:
    raise StorageError("There is no policy version beef.")


async def wait_forever(arguments: Mapping[str, Any]) -> Any:
    await asyncio.Event().wait()


@asynccontextmanager
async def listening(folder: Path) -> AsyncIterator[dict[str, Any]]:
    """The side that is asked; what its file says."""
    control = Control(folder, {"double": double, "refuse": refuse, "wait": wait_forever})
    task = asyncio.create_task(control.run())
    try:
        await eventually((folder / FILE).exists)
        yield json.loads((folder / FILE).read_text())
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def spoken(place: Mapping[str, Any], line: bytes) -> bytes:
    """What a stranger on the port hears."""
    reader, writer = await asyncio.open_connection("127.0.0.1", place["port"])
    try:
        writer.write(line)
        writer.write_eof()
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_a_command_is_done_and_answered(tmp_path: Path) -> None:
    async with listening(tmp_path):
        assert await ask(tmp_path, "double", number=21) == {"double": 42, "words": "đổi trả"}


async def test_only_the_owner_may_read_the_token_and_the_file_goes_with_the_program(tmp_path: Path) -> None:
    async with listening(tmp_path) as place:
        assert os.stat(tmp_path / FILE).st_mode & 0o777 == 0o600
        assert place["pid"] == os.getpid()
        assert len(place["token"]) > 40
    assert os.listdir(tmp_path) == []


async def test_what_the_program_refuses_is_its_sentence(tmp_path: Path) -> None:
    async with listening(tmp_path):
        with pytest.raises(ControlError, match=r"^There is no policy version beef\.$"):
            await ask(tmp_path, "refuse")


async def test_a_command_of_another_version_is_told_so(tmp_path: Path) -> None:
    async with listening(tmp_path):
        with pytest.raises(ControlError, match="does not know this command"):
            await ask(tmp_path, "dance")


async def test_a_command_that_breaks_is_one_sentence_and_the_next_one_works(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with listening(tmp_path):
        with pytest.raises(ControlError, match="its log says where"):
            await ask(tmp_path, "double")
        assert "KeyError" in caplog.text
        assert (await ask(tmp_path, "double", number=1))["double"] == 2


async def test_an_answer_that_does_not_come_ends_the_waiting(tmp_path: Path) -> None:
    async with listening(tmp_path):
        with pytest.raises(ControlError, match=r"did not answer within 0\.05 s"):
            await ask(tmp_path, "wait", timeout=0.05)


async def test_where_nothing_runs_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(NotListening):
        await ask(tmp_path, "double", number=1)


async def test_what_a_killed_program_left_is_nobody(tmp_path: Path) -> None:
    async with listening(tmp_path) as place:
        left = (tmp_path / FILE).read_text()
    (tmp_path / FILE).write_text(left)
    with pytest.raises(NotListening, match=f"number {place['pid']} does not listen any more"):
        await ask(tmp_path, "double", number=1)


@pytest.mark.parametrize("greeting", [b"", b"220 mail.example ESMTP\r\n", b'{"stranger": true}\n', b"x" * 5_000_000])
async def test_another_program_on_the_port_of_a_killed_one_is_nobody(tmp_path: Path, greeting: bytes) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        (tmp_path / FILE).write_text(json.dumps({"port": port, "token": "old", "pid": 1}))
        with pytest.raises(NotListening):
            await ask(tmp_path, "double", number=1)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"port": "x", "token": 1, "pid": 2}', '{"port": 1}', "[" * 100_000])
async def test_a_file_that_was_tampered_with_is_nobody(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(NotListening):
        await ask(tmp_path, "double", number=1)


@pytest.mark.parametrize(
    "line",
    [
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"[" * 60_000 + b"\n",
        b'{"token": null, "command": "double", "arguments": {"number": 1}}\n',
        b'{"token": "", "command": "double", "arguments": {"number": 1}}\n',
        '{"token": "đ", "command": "double", "arguments": {"number": 1}}\n'.encode(),
        b"\xff\xfe\x00\n",
        b"x" * 1_000_000 + b"\n",
        b"",
    ],
)
async def test_a_stranger_gets_nothing_done(tmp_path: Path, line: bytes) -> None:
    async with listening(tmp_path) as place:
        assert b"double" not in await spoken(place, line)
        assert (await ask(tmp_path, "double", number=1))["double"] == 2


@pytest.mark.parametrize("part", ['"command": 1, "arguments": {}', '"command": "double", "arguments": []', '"x": 1'])
async def test_the_right_token_with_a_wrong_request_is_answered(tmp_path: Path, part: str) -> None:
    async with listening(tmp_path) as place:
        heard = await spoken(place, f'{{"token": "{place["token"]}", {part}}}\n'.encode())
        assert "error" in json.loads(heard)


async def test_many_who_only_hold_the_line_keep_nobody_out_for_long(tmp_path: Path) -> None:
    async with listening(tmp_path) as place:
        lines = [await asyncio.open_connection("127.0.0.1", place["port"]) for _ in range(40)]
        await asyncio.gather(*(reader.read() for reader, _ in lines[16:]))
        for _, writer in lines:
            writer.close()
        await eventually(lambda: _answers(tmp_path))


async def _answers(folder: Path) -> bool:
    try:
        return bool(await ask(folder, "double", number=1))
    except NotListening:
        return False


async def test_the_end_of_the_program_does_not_wait_for_who_holds_the_line(tmp_path: Path) -> None:
    async with asyncio.timeout(2), listening(tmp_path) as place:
        _, writer = await asyncio.open_connection("127.0.0.1", place["port"])
        asking = asyncio.create_task(ask(tmp_path, "wait"))
        await asyncio.sleep(0)
    with pytest.raises(ControlError):
        await asking
    writer.close()


async def test_a_folder_that_cannot_be_written_is_said_and_the_program_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with asyncio.timeout(5):
        await Control(tmp_path / "none", {}).run()
    assert "no command can ask this program" in caplog.text
