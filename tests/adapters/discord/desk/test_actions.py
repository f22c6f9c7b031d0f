"""Buttons, commands and forms: answered in time, refused for others, and good after a restart."""

import pytest

from bot.chat import MessageRef
from bot.desk import ActionResult, Post
from bot.errors import StorageFull
from tests.adapters.discord.desk.conftest import Office, at_work, button
from tests.adapters.discord.words import desk_descriptions
from tests.servers.discord import DiscordServer, Interaction, Member


async def said(office: Office, interaction: Interaction) -> str:
    """What the person reads, as soon as it is said."""
    await office.server.wait_for(lambda: interaction.response and not interaction.response.thinking)
    assert interaction.response is not None
    assert interaction.response.ephemeral
    return interaction.response.content


def press(office: Office, who: Member, post: Post, kind: str) -> Interaction:
    card = office.card(post)
    return who.press(card, button(card, kind))


async def test_a_button_acts_for_who_pressed_it(office: Office) -> None:
    post, _ = await office.open()
    office.results.append(ActionResult("Bạn đã nhận."))
    pressed = press(office, office.server.staff, post, "take")
    assert await said(office, pressed) == "Bạn đã nhận."
    [action] = office.actions
    assert (action.kind, action.by.name, action.post, action.id) == ("take", "Lan", post.address, str(pressed.id))


async def test_a_button_works_after_a_restart(server: DiscordServer) -> None:
    async with at_work(server) as office:
        post, _ = await office.open()
    async with at_work(server) as office:
        assert await said(office, press(office, server.staff, post, "resolve")) == "Done."


async def test_who_has_no_role_is_refused_with_a_sentence(office: Office) -> None:
    post, thread = await office.open()
    assert "staff" in await said(office, press(office, office.server.stranger, post, "take"))
    assert "staff" in await said(office, office.server.stranger.command(thread, "resolve"))
    assert "staff" in await said(office, office.server.stranger.command(thread, "reply", text="x"))
    assert office.actions == []
    assert office.door.inbound == []


@pytest.mark.parametrize("name", ["take", "release", "resolve", "reopen", "block", "unblock", "history", "who"])
async def test_a_command_acts_in_a_post_and_only_there(office: Office, name: str) -> None:
    _, thread = await office.open()
    assert await said(office, office.server.staff.command(thread, name)) == "Done."
    assert [action.kind for action in office.actions] == [name]
    assert "support forum" in await said(office, office.server.staff.command(office.server.general, name))
    assert len(office.actions) == 1


async def test_commands_take_times_people_and_words(office: Office) -> None:
    server = office.server
    _, thread = await office.open()
    hoa = server.add_member("Hoa", server.staff_role)
    await said(office, server.staff.command(thread, "snooze", when="2h"))
    await said(office, server.staff.command(thread, "close", when="8:30"))
    await said(office, server.staff.command(thread, "note", text="khách quen"))
    await said(office, server.staff.command(thread, "tag", choice="vip"))
    await said(office, server.staff.command(thread, "assign", person=hoa))
    assert [(one.kind, one.argument) for one in office.actions] == [
        ("snooze", "2h"),
        ("close_later", "8:30"),
        ("note", "khách quen"),
        ("tag", "vip"),
        ("assign", ""),
    ]
    assert office.actions[-1].other is not None
    assert office.actions[-1].other.name == "Hoa"
    assert "staff role" in await said(office, server.staff.command(thread, "transfer", person=server.stranger))
    assert len(office.actions) == 5


async def test_suggestions_are_for_staff_and_fit(office: Office) -> None:
    server = office.server
    _, thread = await office.open()
    offered = server.staff.complete(thread, "snippet", "choice", "đ")
    await server.wait_for(lambda: offered.choices is not None)
    assert [one["value"] for one in offered.choices or []] == ["đổi trả"]
    offered = server.stranger.complete(thread, "snippet", "choice", "đ")
    await server.wait_for(lambda: offered.choices is not None)
    assert offered.choices == []


async def test_a_form_asks_for_the_time_and_is_read_also_by_the_next_process(server: DiscordServer) -> None:
    async with at_work(server) as office:
        post, _ = await office.open()
        opened = press(office, server.staff, post, "snooze")
        await server.wait_for(lambda: opened.modal)
    async with at_work(server) as office:
        sent = server.staff.submit(opened, text="2h")
        assert await said(office, sent) == "Done."
        assert [(one.kind, one.argument) for one in office.actions] == [("snooze", "2h")]


async def test_a_person_is_chosen_in_a_menu(office: Office) -> None:
    server = office.server
    post, _ = await office.open()
    hoa = server.add_member("Hoa", server.staff_role)
    asked = press(office, server.staff, post, "assign")
    await said(office, asked)
    assert asked.response is not None
    chosen = server.staff.choose(asked.response, "desk-who:assign", hoa)
    assert await said(office, chosen) == "Done."
    assert office.actions[0].other is not None
    assert office.actions[0].other.id == str(hoa.id)


async def test_a_draft_is_corrected_in_a_form_before_it_is_sent(office: Office) -> None:
    server = office.server
    post, thread = await office.open()
    await office.write(post, "Dạ còn ạ.", offers=("draft_edit",))
    office.results.append(ActionResult("", form="Dạ còn ạ."))
    draft = server.messages(thread)[-1]
    opened = server.staff.press(draft, button(draft, "draft_edit"))
    await server.wait_for(lambda: opened.modal)
    sent = server.staff.submit(opened, text="Dạ còn size L ạ.")
    await said(office, sent)
    assert [(one.kind, one.argument) for one in office.actions] == [
        ("draft_edit", ""),
        ("draft_send", "Dạ còn size L ạ."),
    ]


async def test_an_action_that_takes_long_is_answered_in_time_all_the_same(office: Office) -> None:
    post, _ = await office.open()
    office.gate.clear()
    pressed = press(office, office.server.staff, post, "take")
    await office.server.wait_for(lambda: pressed.acknowledged)
    assert pressed.response is not None
    assert pressed.response.thinking
    office.gate.set()
    assert await said(office, pressed) == "Done."


async def test_a_failure_is_a_sentence_and_never_an_exception(office: Office) -> None:
    post, _ = await office.open()
    office.results += [StorageFull("no room"), RuntimeError("a mistake")]
    for _ in range(2):
        assert "could not be taken" in await said(office, press(office, office.server.staff, post, "take"))


async def test_a_mark_of_what_was_said_by_command_is_nothing(office: Office) -> None:
    post, thread = await office.open()
    await said(office, office.server.staff.command(thread, "reply", text="Dạ còn **size L** ạ."))
    assert [(one.kind, one.argument) for one in office.actions] == [("reply", "Dạ còn **size L** ạ.")]
    await office.desk.mark(MessageRef(post.address, "action:1"), "delivered")
    assert office.shown(post) == []


async def test_times_are_suggested(office: Office) -> None:
    _, thread = await office.open()
    offered = office.server.staff.complete(thread, "snooze", "when", "g")
    await office.server.wait_for(lambda: offered.choices is not None)
    assert [one["value"] for one in offered.choices or []] == ["giao hàng"]


async def test_long_words_come_in_pieces(office: Office) -> None:
    _, thread = await office.open()
    office.results.append(ActionResult("\n".join(f"{number}. " + "x" * 90 for number in range(50))))
    used = office.server.staff.command(thread, "history")
    await said(office, used)
    await office.server.wait_for(lambda: len(used.followups) == 2)
    assert all(len(one.content) <= 2000 and one.ephemeral for one in used.followups)


async def test_every_command_is_described_in_each_language(office: Office) -> None:
    commands = {one["name"]: one for one in office.server.state.commands[None]}
    words = desk_descriptions()
    for name in ("take", "close", "snippet", "reply"):
        assert commands[name]["description"] == words["en"][name]
        assert commands[name]["description_localizations"]["vi"] == words["vi"][name]
