"""Buttons, menus, forms, commands and completions of the real discord.py work on the loopback Discord."""

from collections.abc import AsyncIterator
from typing import Any

import discord
import pytest
from discord import app_commands

from tests.servers.discord import DiscordServer, Interaction, Message
from tests.servers.discord_bot import Bot, connected


@pytest.fixture
async def server() -> AsyncIterator[DiscordServer]:
    async with DiscordServer(limits=False) as server:
        yield server


@pytest.fixture
async def bot(server: DiscordServer) -> AsyncIterator[Bot]:
    async with connected(server) as bot:
        yield bot


Asked = discord.Interaction[discord.Client]


class Correct(discord.ui.Modal):
    """A form with a long text, as a draft is corrected in."""

    words = discord.ui.Label[discord.ui.Modal](
        text="Câu trả lời", component=discord.ui.TextInput(custom_id="words", style=discord.TextStyle.paragraph)
    )

    def __init__(self) -> None:
        super().__init__(title="Sửa", custom_id="case:1:form")

    async def on_submit(self, interaction: Asked) -> None:
        assert isinstance(self.words.component, discord.ui.TextInput)
        await interaction.response.send_message(self.words.component.value, ephemeral=True)


class Desk(discord.ui.View):
    @discord.ui.button(label="Nhận", custom_id="take")
    async def take(self, interaction: Asked, button: discord.ui.Button["Desk"]) -> None:
        button.disabled = True
        await interaction.response.edit_message(content=f"Lan đã nhận {interaction.user.id}", view=self)

    @discord.ui.button(label="Sửa", custom_id="edit")
    async def correct(self, interaction: Asked, button: discord.ui.Button["Desk"]) -> None:
        await interaction.response.send_modal(Correct())

    @discord.ui.button(label="Chờ", custom_id="later")
    async def later(self, interaction: Asked, button: discord.ui.Button["Desk"]) -> None:
        await interaction.response.defer()
        await interaction.edit_original_response(content="đã đổi")
        await interaction.followup.send("riêng", ephemeral=True)

    @discord.ui.select(cls=discord.ui.UserSelect, custom_id="who", placeholder="Chuyển cho ai")
    async def who(self, interaction: Asked, menu: discord.ui.UserSelect["Desk"]) -> None:
        chosen = menu.values[0]
        await interaction.response.send_message(f"cho {chosen.id}", ephemeral=True)


@pytest.fixture
async def card(server: DiscordServer, bot: Bot) -> Message:
    sent = await bot.text().send("Thẻ", view=Desk(timeout=None))
    return server.state.message(server.general, sent.id)


async def answered(server: DiscordServer, interaction: Interaction) -> Message:
    message = await server.wait_for(lambda: interaction.acknowledged and interaction.response)
    assert isinstance(message, Message)
    return message


async def test_a_button_changes_the_message_under_which_it_is(server: DiscordServer, card: Message) -> None:
    pressed = server.staff.press(card, "take")
    assert await answered(server, pressed) is card
    assert (pressed.answer, card.content) == (7, f"Lan đã nhận {server.staff.id}")
    with pytest.raises(LookupError, match="disabled"):
        server.staff.press(card, "take")
    with pytest.raises(LookupError, match="no nothing"):
        server.staff.press(card, "nothing")


async def test_a_form_comes_back_with_what_was_typed_into_it(server: DiscordServer, card: Message) -> None:
    opened = server.staff.press(card, "edit")
    await server.wait_for(lambda: opened.modal)
    with pytest.raises(ValueError, match="required"):
        server.staff.submit(opened)
    sent = server.staff.submit(opened, words="Dạ còn hàng ạ.")
    shown = await answered(server, sent)
    assert (shown.content, shown.ephemeral) == ("Dạ còn hàng ạ.", True)
    assert shown not in server.messages(server.general)


async def test_what_is_deferred_is_changed_later_and_followed_up(server: DiscordServer, card: Message) -> None:
    pressed = server.staff.press(card, "later")
    await server.wait_for(lambda: pressed.followups)
    assert (pressed.answer, card.content) == (6, "đã đổi")
    assert [(one.content, one.ephemeral) for one in pressed.followups] == [("riêng", True)]


async def test_a_menu_of_users_tells_who_was_chosen(server: DiscordServer, card: Message) -> None:
    chosen = server.staff.choose(card, "who", server.owner)
    assert (await answered(server, chosen)).content == f"cho {server.owner.id}"
    with pytest.raises(ValueError, match="too many"):
        server.staff.choose(card, "who", server.owner, server.stranger)


async def test_commands_have_words_options_and_completions(server: DiscordServer, bot: Bot) -> None:
    case = app_commands.Group(name="case", description="Việc của khách")

    async def complete(interaction: Asked, current: str) -> list[app_commands.Choice[str]]:
        return [app_commands.Choice(name=f"{current}!", value=current)]

    @case.command(name="assign", description="Giao việc")
    @app_commands.autocomplete(words=complete)
    async def assign(interaction: Asked, to: discord.Member, words: str = "", days: int = 0) -> None:
        await interaction.response.defer(thinking=True, ephemeral=True)
        await interaction.followup.send(f"{to.id} {words} {days}")

    bot.tree.add_command(case)
    await bot.tree.sync()
    typed = server.staff.complete(server.general, "case assign", "words", "xin", to=server.owner)
    assert await server.wait_for(lambda: typed.choices) == [{"name": "xin!", "value": "xin"}]
    used = server.staff.command(server.general, "case assign", to=server.owner, words="xin chào", days=2)
    await server.wait_for(lambda: used.response and not used.response.thinking)
    assert used.response is not None
    assert (used.response.content, used.response.ephemeral) == (f"{server.owner.id} xin chào 2", True)
    assert used.followups == []
    for wrong in ({"to": "Lan"}, {"to": server.owner, "days": "hai"}):
        options: dict[str, Any] = wrong
        with pytest.raises(ValueError, match="another type"):
            server.staff.command(server.general, "case assign", **options)
    with pytest.raises(LookupError, match="needs to"):
        server.staff.command(server.general, "case assign", words="xin")


async def test_a_file_is_an_option_of_a_command(server: DiscordServer, bot: Bot) -> None:
    @bot.tree.command(name="reply", description="Trả lời khách")
    async def reply(interaction: Asked, file: discord.Attachment) -> None:
        await interaction.response.send_message((await file.read()).decode(), ephemeral=True)

    await bot.tree.sync()
    hosted = server.host_file("a.txt", "xin chào".encode(), "text/plain")
    used = server.staff.command(server.general, "reply", file=hosted)
    assert (await answered(server, used)).content == "xin chào"


async def test_a_button_that_is_answered_late_is_unknown() -> None:
    now = [0.0]
    async with DiscordServer(limits=False, clock=lambda: now[0]) as server, connected(server) as bot:
        view = discord.ui.View(timeout=None)
        view.add_item(discord.ui.Button(label="Nhận", custom_id="take"))
        sent = await bot.text().send("Thẻ", view=view)
        view.stop()
        pressed = server.staff.press(server.state.message(server.general, sent.id), "take")
        now[0] += 3.1
        with pytest.raises(discord.NotFound) as late:
            await (await bot.hears("interaction")).response.defer()
        assert late.value.code == 10062
        assert not pressed.acknowledged
