import asyncio
from pathlib import Path

from bot.chat import Attachment
from bot.engine.limits import EngineLimits, PictureLimits
from bot.errors import (
    ModelRejected,
)
from bot.llm.base import Cited, ModelRequest
from tests.bot.engine.desk import JPEG, PNG, Desk, opened
from tests.words import eventually


async def test_photos_reach_the_model_and_are_kept(desk: Desk) -> None:
    photo = Attachment("photo", "p", "image/jpeg")
    await desk.ask("cái này", attachments=(photo, photo))
    images = desk.model.requests[0].messages[-1].images
    assert [(image.media_type, image.data) for image in images] == [("image/jpeg", JPEG)] * 2
    assert await desk.rows("SELECT data FROM attachments") == [(JPEG,), (JPEG,)]


async def test_a_photo_that_cannot_be_had_does_not_stop_the_answer(desk: Desk) -> None:
    photo = Attachment("photo", "broken", "image/jpeg")
    assert await desk.ask("cái này", attachments=(photo,)) == "Dạ vâng."
    assert "could not be loaded" in desk.model.requests[0].context


async def test_a_lone_photo_that_cannot_be_had_gets_a_sentence(desk: Desk) -> None:
    photo = Attachment("photo", "broken", "image/jpeg")
    assert await desk.ask("", attachments=(photo,)) == desk.policies.sentence("photo_failed", "vi")
    assert desk.model.requests == []


async def test_a_picture_is_what_its_bytes_are_and_not_what_it_is_called(desk: Desk) -> None:
    await desk.ask("cái này", attachments=(Attachment("photo", "png", "image/jpeg"), Attachment("photo", "text")))
    images = desk.model.requests[0].messages[-1].images
    assert [(image.media_type, image.data) for image in images] == [("image/png", PNG)]
    assert "could not be loaded" in desk.model.requests[0].context
    assert await desk.rows("SELECT data FROM attachments ORDER BY position") == [(PNG,), (None,)]


async def test_what_does_not_fit_is_never_fetched_and_never_kept(tmp_path: Path) -> None:
    limits = EngineLimits(pictures=PictureLimits(each=1000, together=3 * len(JPEG), count=4))
    async with opened(tmp_path, limits) as desk:
        small = Attachment("photo", "p", "image/jpeg")
        told_large = Attachment("photo", "large", "image/jpeg", size=5000)
        large = Attachment("photo", "large", "image/jpeg")
        await desk.ask("cái này", attachments=(told_large, large, small, small, small, small))
        assert len(desk.model.requests[0].messages[-1].images) == 3
        assert desk.platform.fetched == ["large", "p", "p", "p", "p"]
        kept = await desk.rows("SELECT count(*) FROM attachments WHERE data IS NOT NULL")
        assert kept == [(3,)]


async def test_a_request_that_is_refused_with_pictures_is_made_again_without(desk: Desk) -> None:
    def script(request: ModelRequest) -> list[str | Cited | Exception | asyncio.Event]:
        return [ModelRejected("image dimensions")] if request.messages[-1].images else ["Dạ, ảnh bị lỗi ạ."]

    desk.model.script = script
    assert await desk.ask("cái này", attachments=(Attachment("photo", "p", "image/jpeg"),)) == "Dạ, ảnh bị lỗi ạ."
    assert "could not be read" in desk.model.requests[1].context


async def test_a_stop_interrupts_the_fetching_of_a_picture(desk: Desk) -> None:
    await desk.write("cái này", attachments=(Attachment("photo", "slow", "image/jpeg"),))
    await eventually(lambda: desk.platform.fetched == ["slow"])
    await desk.write("", command="stop")
    await desk.answered()
    assert desk.platform.chat("lan") == [desk.policies.sentence("stopped", "vi")]
    assert desk.model.requests == []
