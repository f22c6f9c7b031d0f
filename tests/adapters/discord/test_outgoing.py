"""What the bot shows: messages that grow, hang on their question, notify nobody, and survive faults."""

import logging

import pytest

from adapters.discord.platform import LIMITS
from bot.chat import Address, Attachment, File, MessageRef, OutboundMessage
from bot.errors import (
    AccountRejected,
    MessageGone,
    MessageRefused,
    PlatformError,
    RateLimited,
    RecipientGone,
    Unavailable,
)
from tests.adapters.discord.conftest import Desk, door_for, running
from tests.servers.discord import Channel, DiscordServer
from tests.servers.discord.world import SUPPRESS_EMBEDS


def at(channel: Channel) -> Address:
    return Address("discord", str(channel.id))


async def test_an_answer_hangs_on_its_question_and_grows_in_place(desk: Desk) -> None:
    server = desk.server
    question = server.staff.write(server.general, "đổi trả?")
    message = await desk.next()
    ref = await desk.door.send(
        message.address, OutboundMessage("Đổi", growing=True, reply_to=message.reply_to), key="k"
    )
    await desk.door.edit(ref, OutboundMessage("Đổi trả trong", growing=True))
    await desk.door.edit(ref, OutboundMessage("Đổi trả trong 7 ngày."))
    await desk.door.edit(ref, OutboundMessage("Đổi trả trong 7 ngày."))
    [answer] = server.answers(server.general)
    assert [text for _, text in answer.history][:3] == ["Đổi", "Đổi trả trong", "Đổi trả trong 7 ngày."]
    assert answer.replied_to is question
    assert ref == MessageRef(message.address, str(answer.id))


async def test_a_message_is_taken_away_and_one_that_is_gone_is_no_error(desk: Desk) -> None:
    ref = await desk.door.send(at(desk.server.general), OutboundMessage("Dạ còn ạ."), key="k")
    await desk.door.delete(ref)
    assert desk.server.answers(desk.server.general) == []
    await desk.door.delete(ref)


async def test_files_go_out_with_the_words_or_without(desk: Desk) -> None:
    to, server = at(desk.server.general), desk.server
    photo = File("ảnh.png", "image/png", b"\x89PNG")
    await desk.door.send(to, OutboundMessage("đây ạ", files=(photo, photo)), key="1")
    await desk.door.send(to, OutboundMessage("", files=(photo,)), key="2")
    first, second = server.answers(server.general)
    assert (first.content, len(first.attachments)) == ("đây ạ", 2)
    assert (second.content, second.attachments[0]["filename"]) == ("", "anh.png")
    with pytest.raises(MessageRefused):
        await desk.door.send(to, OutboundMessage("", files=(photo,) * 11), key="3")


async def test_nobody_is_ever_notified(desk: Desk) -> None:
    server = desk.server
    boss = server.add_member("@everyone", server.staff_role)
    boss.write(server.general, "gọi mọi người")
    message = await desk.next()
    text = f"@everyone @here <@{boss.id}> <@&{server.staff_role.id}>"
    ref = await desk.door.send(message.address, OutboundMessage(text, reply_to=message.reply_to), key="k")
    [answer] = server.answers(server.general)
    assert answer.pinged() == set()
    await desk.door.edit(ref, OutboundMessage(text + " !"))
    assert answer.pinged() == set()
    for call in (*server.calls("POST", "/messages$"), *server.calls("PATCH", "/messages/")):
        assert call.body["allowed_mentions"]["parse"] == []


async def test_links_are_not_previewed_in_answers_and_their_edits(desk: Desk) -> None:
    server = desk.server
    ref = await desk.door.send(at(server.general), OutboundMessage("https://a.vn"), key="k")
    await desk.door.edit(ref, OutboundMessage("https://b.vn"))
    assert server.answers(server.general)[0].flags & SUPPRESS_EMBEDS


async def test_a_question_that_was_deleted_is_answered_all_the_same(desk: Desk) -> None:
    server = desk.server
    question = server.staff.write(server.general, "ơ")
    message = await desk.next()
    server.staff.delete(question)
    await desk.door.send(message.address, OutboundMessage("đây", reply_to=message.reply_to), key="k")
    assert server.answers(server.general)[0].replied_to is None


async def test_without_the_right_to_read_history_the_answer_stands_alone(desk: Desk) -> None:
    server = desk.server
    question = server.staff.write(server.general, "ơ")
    server.general.denied.add("READ_MESSAGE_HISTORY")
    await desk.door.send(at(server.general), OutboundMessage("đây", reply_to=str(question.id)), key="k")
    assert [one.content for one in server.answers(server.general)] == ["đây"]


async def test_a_send_that_is_repeated_after_a_cut_shows_once(desk: Desk) -> None:
    server = desk.server
    server.fault("POST", "/messages$", cut="after")
    with pytest.raises(Unavailable) as cut:
        await desk.door.send(at(server.general), OutboundMessage("một lần"), key="k")
    assert cut.value.maybe_applied
    ref = await desk.door.send(at(server.general), OutboundMessage("một lần"), key="k")
    await desk.door.send(at(server.general), OutboundMessage("một lần"), key="another")
    assert [one.content for one in server.answers(server.general)] == ["một lần", "một lần"]
    assert ref.message_id == str(server.answers(server.general)[0].id)


async def test_a_send_that_is_repeated_with_more_to_show_shows_all_of_it(desk: Desk) -> None:
    server = desk.server
    server.fault("POST", "/messages$", cut="after")
    with pytest.raises(Unavailable):
        await desk.door.send(at(server.general), OutboundMessage("Đổi", growing=True), key="k")
    ref = await desk.door.send(at(server.general), OutboundMessage("Đổi trả trong 7 ngày."), key="k")
    [answer] = server.answers(server.general)
    assert (answer.content, ref.message_id) == ("Đổi trả trong 7 ngày.", str(answer.id))


async def test_the_nonce_follows_from_the_key_alone(server: DiscordServer) -> None:
    for _ in range(2):
        async with running(server) as desk:
            for key in ("reply-1", "reply-1/2"):
                await desk.door.send(at(server.general), OutboundMessage("một lần"), key=key)
    sent = [call.body for call in server.calls("POST", "/messages$")]
    assert [body["nonce"] for body in sent[:2]] == [body["nonce"] for body in sent[2:]]
    assert {body["enforce_nonce"] for body in sent} == {True}
    assert len(server.answers(server.general)) == 2
    assert server.calls("PATCH", "/messages/") == []


async def test_a_long_key_makes_a_nonce_that_discord_takes(desk: Desk) -> None:
    await desk.door.send(at(desk.server.general), OutboundMessage("ổn"), key="k" * 300)
    assert len(desk.server.answers(desk.server.general)) == 1


async def test_direct_messages_are_answered_where_they_came_from(desk: Desk) -> None:
    server = desk.server
    server.staff.dm("hỏi")
    message = await desk.next()
    await desk.door.show_typing(message.address)
    await desk.door.send(message.address, OutboundMessage("đáp", reply_to=message.reply_to), key="k")
    assert [one.content for one in server.answers(server.staff.direct)] == ["đáp"]
    assert server.staff.direct.typing == 1


async def test_the_longest_message_that_the_limits_allow_is_taken(desk: Desk) -> None:
    text = "😀" * LIMITS.max_units
    assert desk.door.measure(text) == LIMITS.max_units
    await desk.door.send(at(desk.server.general), OutboundMessage(text), key="k")
    assert desk.server.answers(desk.server.general)[0].content == text


def test_what_is_measured_is_what_is_shown() -> None:
    door = door_for(DiscordServer())
    assert door.measure("#### Phí") == len("**Phí**")


async def test_too_long_or_empty_texts_are_refused(desk: Desk) -> None:
    for text in ("x" * 2001, "", " \n "):
        with pytest.raises(MessageRefused):
            await desk.door.send(at(desk.server.general), OutboundMessage(text), key=text)


async def test_a_message_that_was_deleted_is_gone(desk: Desk) -> None:
    server = desk.server
    ref = await desk.door.send(at(server.general), OutboundMessage("a"), key="k")
    server.state.remove(server.answers(server.general)[0])
    with pytest.raises(MessageGone):
        await desk.door.edit(ref, OutboundMessage("b"))


async def test_a_closed_channel_is_told_once_to_the_operator(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    server = desk.server
    server.general.denied.add("SEND_MESSAGES")
    for _ in range(3):
        with pytest.raises(RecipientGone):
            await desk.door.send(at(server.general), OutboundMessage("bí mật"), key="k")
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert str(server.general.id) in warnings[0]
    assert "Send Messages" in warnings[0]
    assert "bí mật" not in caplog.text


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"status": 503}, Unavailable),
        ({"cut": "before"}, Unavailable),
        ({"delay": 30.0}, Unavailable),
        ({"status": 500, "times": 9}, Unavailable),
        ({"status": 401}, AccountRejected),
        ({"status": 429, "body": {"retry_after": 40.0, "global": False}}, RateLimited),
        ({"status": 429, "headers": {"Retry-After": "50"}}, RateLimited),
        ({"status": 404, "body": {"code": 10003, "message": "Unknown Channel"}}, RecipientGone),
    ],
)
async def test_each_fault_becomes_an_error_of_ours(
    server: DiscordServer, fault: dict[str, object], kind: type[PlatformError]
) -> None:
    async with running(server, call_timeout=0.4) as desk:
        server.fault("POST", "/messages$", **fault)  # type: ignore[arg-type]
        with pytest.raises(kind):
            await desk.door.send(at(server.general), OutboundMessage("a"), key="k")


async def test_a_fault_in_passing_is_bridged_by_the_library_without_a_second_message(desk: Desk) -> None:
    server = desk.server
    server.fault("POST", "/messages$", status=429, body={"retry_after": 0.05, "global": False})
    await desk.door.send(at(server.general), OutboundMessage("a"), key="k")
    assert [call.status for call in server.calls("POST", "/messages$")] == [429, 200]
    assert len(server.answers(server.general)) == 1


async def test_a_proxy_page_instead_of_json_is_no_crash(desk: Desk) -> None:
    server = desk.server
    server.fault("POST", "/messages$", status=200, body={"message": "hello"})
    with pytest.raises(Unavailable):
        await desk.door.send(at(server.general), OutboundMessage("a"), key="k")


async def test_a_reply_at_the_pace_of_the_limits_never_takes_the_last_call_of_a_window() -> None:
    now = 0.0
    async with DiscordServer(clock=lambda: now) as server, running(server) as desk:
        ref = await desk.door.send(at(server.general), OutboundMessage("0"), key="k")
        for number in range(1, 31):
            now += LIMITS.min_interval
            await desk.door.edit(ref, OutboundMessage(str(number)))
        assert server.limits.emptied == 0
        assert {call.status for call in server.log} == {200}


async def test_an_archived_thread_asks_for_a_new_message_which_opens_it(desk: Desk) -> None:
    server = desk.server
    ref = await desk.door.send(at(server.thread), OutboundMessage("a"), key="k")
    server.thread.archived = True
    with pytest.raises(MessageGone):
        await desk.door.edit(ref, OutboundMessage("b"))
    await desk.door.send(at(server.thread), OutboundMessage("b"), key="l")
    assert not server.thread.archived


async def test_calls_while_not_connected_are_unavailable_and_not_applied(server: DiscordServer) -> None:
    door = door_for(server)
    for call in (
        door.send(at(server.general), OutboundMessage("a"), key="k"),
        door.edit(MessageRef(at(server.general), "1"), OutboundMessage("a")),
        door.show_typing(at(server.general)),
        door.download(Attachment("photo", server.root + "/attachments/1/a"), limit=1_000_000),
    ):
        with pytest.raises(Unavailable) as failed:
            await call
        assert not failed.value.maybe_applied


@pytest.mark.parametrize(
    "address",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://cdn.discordapp.com/attachments/1/2/a.png",
        "https://cdn.discordapp.com.evil.example/a.png",
        "https://user@cdn.discordapp.com/a.png",
        "https://cdn.discordapp.com:8443/a.png",
        "file:///etc/passwd",
        "not an address",
        "",
    ],
)
async def test_files_are_fetched_from_discord_only(desk: Desk, address: str) -> None:
    with pytest.raises(MessageRefused):
        await desk.door.download(Attachment("photo", address), limit=1_000_000)


async def test_a_file_that_is_too_large_or_gone_is_told_apart(desk: Desk) -> None:
    large = Attachment("file", desk.server.root + "/attachments/1/a", size=26 * 1024 * 1024)
    with pytest.raises(MessageRefused):
        await desk.door.download(large, limit=1_000_000)
    with pytest.raises(MessageGone):
        await desk.door.download(Attachment("file", desk.server.root + "/attachments/1/a"), limit=1_000_000)
