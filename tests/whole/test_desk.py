"""A customer in Telegram, staff in Discord, and the program between them: taken over, answered, handed back."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.servers.discord import Channel, Message
from tests.whole.shop import PROMPTS, Shop, shop
from tests.words import eventually


async def post_of(stage: Shop) -> Channel:
    await stage.discord.wait_for(lambda: stage.discord.state.threads(stage.discord.forum))
    await eventually(lambda: bool(stage.rows("SELECT 1 FROM posts")))
    return stage.discord.state.threads(stage.discord.forum)[0]


def words_in(stage: Shop, post: Channel) -> Sequence[str]:
    return [message.content for message in stage.discord.messages(post)]


def with_mark(message: Message, mark: str) -> bool:
    return any(reaction.name == mark for reaction in message.reactions.values())


async def test_a_customer_is_handed_to_staff_answered_and_handed_back(tmp_path: Path) -> None:
    async with shop(tmp_path) as stage:
        discord, telegram = stage.discord, stage.telegram
        stage.settings = stage.settings.model_copy(update={"discord_tickets_channel_id": discord.forum.id})
        mai = discord.add_member("Mai", discord.staff_role)
        async with stage.open():
            lan = telegram.customer(7)
            lan.write("/human")
            post = await post_of(stage)
            await telegram.wait_for(lambda: len(telegram.texts(7)) == 1)

            words = mai.write(post, "Dạ em chào chị, em là Mai ạ.", mention_bot=False)
            await telegram.wait_for(lambda: any("em là Mai ạ." in text for text in telegram.texts(7)))
            await discord.wait_for(lambda: with_mark(words, "✅"))
            note = mai.write(post, "// khách quen", mention_bot=False)
            lan.write("áo này còn size M không?")
            await discord.wait_for(lambda: any("còn size M" in text for text in words_in(stage, post)))
            await discord.wait_for(lambda: with_mark(note, "📝"))
            assert stage.asked("size M") == []
            assert not any("khách quen" in text for text in telegram.texts(7))

            mai.command(post, "resolve")
            await eventually(lambda: bool(stage.rows("SELECT 1 FROM cases WHERE state = 'resolved'")))
            lan.write("đổi trả mấy ngày?")
            await telegram.wait_for(lambda: any("«đổi trả mấy ngày?»" in text for text in telegram.texts(7)))
            assert stage.rows("SELECT count(*) FROM cases") == [(1,)]


async def test_the_model_hands_over_and_staff_find_what_was_said_after_a_restart(tmp_path: Path) -> None:
    async with shop(tmp_path) as stage:
        discord, telegram = stage.discord, stage.telegram
        stage.settings = stage.settings.model_copy(update={"discord_tickets_channel_id": discord.forum.id})
        mai = discord.add_member("Mai", discord.staff_role)
        async with stage.open():
            telegram.customer(7).write("/human")
            post = await post_of(stage)
            await telegram.wait_for(lambda: len(telegram.texts(7)) == 1)
        mai.write(post, "Em đây ạ.", mention_bot=False)
        async with stage.open():
            await telegram.wait_for(lambda: any("Em đây ạ." in text for text in telegram.texts(7)))
            telegram.customer(7).write("cảm ơn em")
            await discord.wait_for(lambda: any("cảm ơn em" in text for text in words_in(stage, post)))
        assert sum("Em đây ạ." in text for text in telegram.texts(7)) == 1
        assert len(discord.state.threads(discord.forum)) == 1


async def test_staff_are_told_in_their_channel_that_a_policy_file_is_refused(tmp_path: Path) -> None:
    shutil.copytree(PROMPTS, tmp_path / "prompts")
    async with shop(tmp_path, shopdesk_prompts=tmp_path / "prompts") as stage:
        discord = stage.discord
        channel = discord.add_channel("team")
        places = {"discord_tickets_channel_id": discord.forum.id, "discord_alerts_channel_id": channel.id}
        stage.settings = stage.settings.model_copy(update=places)
        async with stage.open():
            returns = tmp_path / "prompts" / "policies" / "vi" / "returns.md"
            returns.write_text("---\ntitel: Đổi trả\n---\n# Đổi trả\n\n7 ngày\n", encoding="utf-8")
            await discord.wait_for(lambda: any("returns.md" in one.content for one in discord.messages(channel)))
        assert len(discord.messages(channel)) == 1
