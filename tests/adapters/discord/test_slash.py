"""Slash commands: answered in time, in place, and only for staff."""

import asyncio
from functools import partial

import pytest

from bot.chat import InboundMessage, OutboundMessage, UnreadableUpdate
from bot.errors import RecipientGone, ShopdeskError, StorageFull
from tests.adapters.discord.conftest import Desk, running
from tests.adapters.discord.words import DESCRIPTIONS, SENTENCES
from tests.servers.discord import DiscordServer
from tests.servers.discord.world import SUPPRESS_EMBEDS


async def test_the_commands_are_registered_in_both_languages(desk: Desk) -> None:
    commands = {command["name"]: command for command in desk.server.state.commands[None]}
    assert set(commands) == {"ask", "new", "stop", "help"}
    assert commands["ask"]["description"] == DESCRIPTIONS["en"]["ask"]
    assert commands["ask"]["description_localizations"]["vi"] == "Hỏi về chính sách của shop"
    assert commands["ask"]["options"][0]["description_localizations"]["vi"] == "Câu hỏi của bạn"
    assert set(DESCRIPTIONS["vi"]) == set(DESCRIPTIONS["en"])
    assert set(SENTENCES["vi"]) == set(SENTENCES["en"])


async def test_the_commands_take_new_words_while_the_door_is_open_and_still_work(desk: Desk) -> None:
    desk.door.show_commands({language: {**words, "ask": "Hỏi shop"} for language, words in DESCRIPTIONS.items()})

    def asks() -> str:
        commands = {command["name"]: command for command in desk.server.state.commands[None]}
        return str(commands["ask"]["description_localizations"]["vi"])

    await desk.server.wait_for(lambda: asks() == "Hỏi shop")
    desk.server.staff.ask(desk.server.general, "phí ship?", locale="vi")
    assert (await desk.next()).text == "phí ship?"


async def test_the_door_starts_although_the_commands_are_refused(server: DiscordServer) -> None:
    server.fault("PUT", "/commands$", status=400, body={"code": 50035, "message": "Invalid Form Body"})
    async with running(server) as desk:
        server.staff.write(server.general, "vẫn chạy")
        assert (await desk.next()).text == "vẫn chạy"


async def test_the_answer_appears_where_it_was_awaited_and_grows_there(desk: Desk) -> None:
    server = desk.server
    interaction = server.staff.ask(server.general, "  phí ship?\u202e ", locale="vi")
    message = await desk.next()
    assert (message.text, message.language, message.role) == ("phí ship?", "vi", "staff")
    assert message.message_id == message.reply_to == f"interaction:{interaction.id}"
    assert len(server.thinking(server.general)) == 1
    ref = await desk.door.send(message.address, OutboundMessage("@everyone", reply_to=message.reply_to), key="k")
    await desk.door.edit(ref, OutboundMessage("@everyone xong https://a.vn"))
    assert server.thinking(server.general) == []
    [answer] = server.answers(server.general)
    assert answer is interaction.response
    assert answer.content == "@everyone xong <https://a.vn>"
    assert answer.pinged() == set()
    assert answer.flags & SUPPRESS_EMBEDS
    assert ref.message_id == str(answer.id)


async def test_a_second_message_to_the_same_command_is_a_message_of_its_own(desk: Desk) -> None:
    server = desk.server
    server.staff.ask(server.general, "dài không?")
    message = await desk.next()
    for key in ("a", "b"):
        await desk.door.send(message.address, OutboundMessage(key, reply_to=message.reply_to), key=key)
    assert [one.content for one in server.answers(server.general)] == ["a", "b"]


async def test_an_answer_that_is_sent_again_after_a_cut_shows_once(desk: Desk) -> None:
    server = desk.server
    server.staff.ask(server.general, "hỏi")
    message = await desk.next()
    server.fault("PATCH", "/webhooks/", cut="after")
    with pytest.raises(ShopdeskError):
        await desk.door.send(message.address, OutboundMessage("đáp", reply_to=message.reply_to), key="k")
    await desk.door.send(message.address, OutboundMessage("đáp", reply_to=message.reply_to), key="k")
    assert [one.content for one in server.answers(server.general)] == ["đáp"]


async def test_after_the_token_has_expired_the_answer_is_a_message(server: DiscordServer) -> None:
    server_with_short_tokens = DiscordServer(token_lifetime=-1.0)
    async with server_with_short_tokens as short, running(short) as desk:
        short.staff.ask(short.general, "hỏi")
        message = await desk.next()
        await desk.door.send(message.address, OutboundMessage("đáp", reply_to=message.reply_to), key="k")
        assert [one.content for one in short.answers(short.general)] == ["đáp"]


async def test_after_a_restart_the_answer_is_a_message(desk: Desk) -> None:
    server = desk.server
    server.staff.write(server.general, "hỏi")
    message = await desk.next()
    await desk.door.send(message.address, OutboundMessage("đáp", reply_to="interaction:1234567890123"), key="k")
    [answer] = server.answers(server.general)
    assert (answer.content, answer.replied_to) == ("đáp", None)


async def test_when_discord_was_not_answered_in_time_the_question_is_not_lost() -> None:
    async with DiscordServer(answer_within=-1.0) as server, running(server) as desk:
        server.staff.ask(server.general, "chậm")
        message = await desk.next()
        assert (message.text, message.reply_to) == ("chậm", None)


async def test_a_slow_engine_does_not_make_a_command_late(desk: Desk) -> None:
    server = desk.server
    server.staff.ask(server.general, "hỏi")
    await desk.next()
    [call] = server.calls("POST", "/callback$")
    [interaction] = server.state.interactions.values()
    assert call.body == {"type": 5}
    assert call.at - interaction.created < 3.0


async def test_somebody_else_reads_a_sentence_that_only_he_sees(desk: Desk) -> None:
    server = desk.server
    for locale, language in (("vi", "vi"), ("en-GB", "en"), ("fr", "en")):
        interaction = server.stranger.ask(server.general, "cho hỏi", locale=locale)
        await server.wait_for(partial(getattr, interaction, "response"))
        assert interaction.response is not None
        assert interaction.response.content == SENTENCES[language]["staff_only"]
        assert interaction.response.ephemeral
    assert desk.inbound == []
    assert server.answers(server.general) == []


async def test_in_private_staff_are_answered_and_others_are_not(desk: Desk) -> None:
    server = desk.server
    other = server.stranger.ask(server.stranger.direct, "cho hỏi")
    await server.wait_for(lambda: other.response and other.response.content)
    assert other.response is not None
    assert other.response.content == SENTENCES["en"]["staff_only"]
    server.staff.ask(server.staff.direct, "tôi hỏi")
    message = await desk.next()
    await desk.door.send(message.address, OutboundMessage("đáp", reply_to=message.reply_to), key="k")
    assert [one.content for one in server.answers(server.staff.direct)] == ["đáp"]


async def test_when_discord_cannot_say_who_asks_in_private_he_is_told_to_try_again(server: DiscordServer) -> None:
    async with running(server) as desk:
        server.fault("GET", "/members/", status=503)
        interaction = server.staff.ask(server.staff.direct, "hỏi", locale="vi")
        await server.wait_for(lambda: interaction.response and interaction.response.content)
        assert interaction.response is not None
        assert interaction.response.content == SENTENCES["vi"]["not_taken"]
        assert desk.inbound == []


@pytest.mark.parametrize("private", [False, True])
async def test_stop_is_confirmed_to_its_writer_alone_once_it_was_handed_on(
    server: DiscordServer, *, private: bool
) -> None:
    async with running(server, stop_patience=0.0) as desk:
        place = server.staff.direct if private else server.general
        interaction = server.staff.command(place, "stop", locale="vi")
        message = await desk.next()
        assert (message.command, message.reply_to) == ("stop", f"interaction:{interaction.id}")
        await server.wait_for(lambda: interaction.response and interaction.response.content)
        assert interaction.response is not None
        assert interaction.response.content == SENTENCES["vi"]["stopped"]
        assert interaction.response.ephemeral is not private
        assert server.thinking(place) == []
        assert server.calls("POST", "/messages$") == []


async def test_when_nothing_ran_the_answer_to_stop_is_the_only_word_and_its_writer_alone_reads_it(
    server: DiscordServer,
) -> None:
    async with running(server, stop_patience=0.0) as desk:
        await desk.stop()

        async def receive(message: InboundMessage | UnreadableUpdate) -> None:
            await desk.receive(message)
            assert isinstance(message, InboundMessage)
            if message.command == "stop":
                answer = OutboundMessage("không có gì", reply_to=message.reply_to)
                await desk.door.send(message.address, answer, key="stop")

        desk.task = asyncio.create_task(desk.door.run(receive, desk.be_ready))
        await server.wait_for(lambda: server.gateway.connected)
        interaction = server.staff.command(server.general, "stop", locale="vi")
        await desk.next()
        server.staff.write(server.general, "sau")
        await desk.next(2)
        assert interaction.response is not None
        assert [text for _, text in interaction.response.history] == ["", "không có gì"]
        assert interaction.response.ephemeral
        assert server.answers(server.general) == []


async def test_a_stop_that_is_never_taken_is_not_called_done(server: DiscordServer) -> None:
    async with running(server, stop_patience=0.0) as desk:
        desk.failures += [ShopdeskError("fault")] * 3
        interaction = server.staff.command(server.general, "stop", locale="vi")
        await server.wait_for(lambda: interaction.response and interaction.response.content)
        server.staff.write(server.general, "sau")
        await desk.next()
        assert interaction.response is not None
        assert interaction.response.content == SENTENCES["vi"]["not_taken"]


@pytest.mark.parametrize("name", ["new", "help"])
async def test_other_commands_wait_for_their_answer(desk: Desk, name: str) -> None:
    server = desk.server
    server.staff.command(server.general, name)
    message = await desk.next()
    assert (message.command, message.text) == (name, "")
    await desk.door.send(message.address, OutboundMessage("ok", reply_to=message.reply_to), key="k")
    assert [one.content for one in server.answers(server.general)] == ["ok"]


async def test_questions_that_are_answered_together_leave_nobody_waiting(desk: Desk) -> None:
    server = desk.server
    server.staff.ask(server.general, "một")
    await desk.next(1)
    elsewhere = server.add_channel("kho")
    server.staff.ask(elsewhere, "nơi khác")
    await desk.next(2)
    server.staff.ask(server.general, "hai")
    last = await desk.next(3)
    await desk.door.send(last.address, OutboundMessage("cả hai", reply_to=last.reply_to), key="k")
    assert server.thinking(server.general) == []
    assert [one.content for one in server.answers(server.general)] == ["cả hai"]
    assert len(server.thinking(elsewhere)) == 1


async def test_an_answer_counts_although_an_older_sign_could_not_be_removed(desk: Desk) -> None:
    server = desk.server
    for number in (1, 2):
        server.staff.ask(server.general, "hỏi")
        last = await desk.next(number)
    server.fault("DELETE", "/webhooks/", status=429, headers={"Retry-After": "50"})
    await desk.door.send(last.address, OutboundMessage("cả hai", reply_to=last.reply_to), key="k")
    assert [one.content for one in server.answers(server.general)] == ["cả hai"]


async def test_a_question_that_comes_later_goes_on_waiting(desk: Desk) -> None:
    server = desk.server
    server.staff.ask(server.general, "một")
    first = await desk.next(1)
    server.staff.ask(server.general, "hai")
    await desk.next(2)
    await desk.door.send(first.address, OutboundMessage("một", reply_to=first.reply_to), key="k")
    assert len(server.thinking(server.general)) == 1


async def test_a_command_that_is_never_taken_is_told_so(desk: Desk) -> None:
    server = desk.server
    desk.failures += [ShopdeskError("disk")] * 3
    interaction = server.staff.ask(server.general, "hỏi", locale="vi")
    await server.wait_for(lambda: interaction.response and interaction.response.content)
    assert interaction.response is not None
    assert interaction.response.content == SENTENCES["vi"]["not_taken"]


async def test_a_command_that_is_taken_late_is_answered_where_its_writer_was_told_to_wait(desk: Desk) -> None:
    server = desk.server
    desk.failures += [StorageFull("no room")] * 6
    interaction = server.staff.ask(server.general, "hỏi", locale="vi")
    message = await desk.next()
    assert interaction.response is not None
    assert interaction.response.content == SENTENCES["vi"]["not_taken"]
    await desk.door.send(message.address, OutboundMessage("đáp", reply_to=message.reply_to), key="k")
    assert [one.content for one in server.answers(server.general)] == ["đáp"]


async def test_where_the_bot_has_no_access_the_answer_grows_through_the_command(desk: Desk) -> None:
    server = desk.server
    server.general.denied.add("VIEW_CHANNEL")
    interaction = server.staff.ask(server.general, "hỏi")
    message = await desk.next()
    ref = await desk.door.send(message.address, OutboundMessage("một", reply_to=message.reply_to), key="k")
    await desk.door.edit(ref, OutboundMessage("một hai"))
    assert interaction.response is not None
    assert interaction.response.content == "một hai"
    with pytest.raises(RecipientGone):
        await desk.door.send(message.address, OutboundMessage("ba"), key="l")
