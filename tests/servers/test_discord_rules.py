"""What the real Discord refuses a desk, the loopback Discord refuses too, with the same codes."""

import io
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from tests.servers.discord import DiscordServer
from tests.servers.discord_bot import Caller


@pytest.fixture
async def server() -> AsyncIterator[DiscordServer]:
    async with DiscordServer(limits=False, max_active_threads=3) as server:
        yield server


@pytest.fixture
async def caller(server: DiscordServer) -> AsyncIterator[Caller]:
    async with aiohttp.ClientSession() as session:
        yield Caller(server, session)


def button(custom_id: str = "a", **more: Any) -> dict[str, Any]:
    return {"type": 2, "style": 1, "label": "x", "custom_id": custom_id} | more


def rows(*inner: Any) -> list[dict[str, Any]]:
    return [{"type": 1, "components": list(inner)}]


@pytest.mark.parametrize(
    "components",
    [
        rows(),
        rows(*(button(str(count)) for count in range(6))),
        [rows(button(str(count)))[0] for count in range(6)],
        rows(button("a"), button("a")),
        rows(button("a" * 101)),
        rows(button("")),
        rows(button(label="x" * 81)),
        rows(button(style=7)),
        rows(button(style=5, url="https://shop.vn")),
        rows({"type": 2, "style": 5, "label": "x", "url": "javascript:1"}),
        rows({"type": 2, "style": 1, "custom_id": "a"}),
        rows(button(emoji={"name": "nope"})),
        rows(button(), {"type": 5, "custom_id": "b"}),
        rows({"type": 3, "custom_id": "a", "options": []}),
        rows({"type": 3, "custom_id": "a", "options": [{"label": "x", "value": "1"}] * 2}),
        rows({"type": 5, "custom_id": "a", "max_values": 26}),
        [button()],
        ["x"],
        [{"type": 10, "content": "x"}],
    ],
)
async def test_components_that_make_no_sense_are_refused(caller: Caller, components: Any) -> None:
    path = f"/channels/{caller.server.general.id}/messages"
    assert await caller.code("POST", path, {"content": "x", "components": components}) == (400, 50035)


BOX = {"type": 17, "components": [{"type": 10, "content": "x"}, *rows(button())]}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"flags": 1 << 15, "components": [{"type": 10, "content": "x"}]}, 200),
        ({"flags": 1 << 15, "components": [BOX]}, 200),
        ({"flags": 1 << 15, "components": [{"type": 10, "content": "x" * 4001}]}, 400),
        ({"flags": 1 << 15, "content": "x", "components": [{"type": 10, "content": "x"}]}, 400),
        ({"flags": 1 << 15, "components": [{"type": 10, "content": "x"}] * 41}, 400),
        ({"flags": 1 << 15}, 400),
        ({"embeds": [{"description": "x" * 4096}]}, 200),
        ({"embeds": [{"description": "x" * 4097}]}, 400),
        ({"embeds": [{"description": "x" * 4096}, {"description": "x" * 2000}]}, 400),
        ({"components": rows(button())}, 200),
        ([], 400),
    ],
)
async def test_a_message_may_be_made_of_blocks_or_embeds_within_limits(
    caller: Caller, body: Any, expected: int
) -> None:
    path = f"/channels/{caller.server.general.id}/messages"
    assert (await caller.call("POST", path, body))[0] == expected


@pytest.mark.parametrize(
    ("sizes", "named", "status", "code"),
    [
        ([1] * 10, None, 200, 0),
        ([1] * 11, None, 400, 50035),
        ([10 * 1024 * 1024], None, 200, 0),
        ([10 * 1024 * 1024 + 1], None, 413, 40005),
        ([1], [{"id": 5}], 400, 50035),
        ([1, 1], [{"id": 0}], 400, 50035),
    ],
)
async def test_files_are_few_and_small(caller: Caller, sizes: list[int], named: Any, status: int, code: int) -> None:
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("payload_json", json.dumps({"content": "x"} | ({"attachments": named} if named else {})))
    for place, size in enumerate(sizes):
        form.add_field(f"files[{place}]", io.BytesIO(b"x" * size), filename=f"{place}.png")
    got = await caller.call("POST", f"/channels/{caller.server.general.id}/messages", data=form)
    assert (got[0], got[1].get("code", 0)) == (status, code)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"name": "Khách", "message": {"content": "x"}}, 201, 0),
        ({"name": "", "message": {"content": "x"}}, 400, 50035),
        ({"name": "x" * 101, "message": {"content": "x"}}, 400, 50035),
        ({"name": "Khách"}, 400, 50035),
        ({"name": "Khách", "message": {}}, 400, 50006),
        ({"name": "Khách", "message": {"content": "x"}, "applied_tags": ["1"]}, 404, 10087),
        ({"name": "Khách", "message": {"content": "x"}, "applied_tags": ["1"] * 6}, 400, 50035),
        ({"name": "Khách", "message": {"content": "x"}, "auto_archive_duration": 61}, 400, 50035),
    ],
)
async def test_a_post_must_be_whole(caller: Caller, body: Any, status: int, code: int) -> None:
    got = await caller.call("POST", f"/channels/{caller.server.forum.id}/threads", body)
    assert (got[0], got[1].get("code", 0)) == (status, code)


@pytest.mark.parametrize(
    "tags", [[{"name": str(count)} for count in range(21)], [{"name": "x" * 21}], [{"name": "a"}] * 2, [{}], "x"]
)
async def test_a_forum_has_twenty_short_tags_at_most(caller: Caller, tags: Any) -> None:
    path = f"/channels/{caller.server.forum.id}"
    assert await caller.code("PATCH", path, {"available_tags": tags}) == (400, 50035)


async def test_active_posts_are_limited_for_the_whole_server(server: DiscordServer, caller: Caller) -> None:
    body = {"name": "Khách", "message": {"content": "x"}}
    path = f"/channels/{server.forum.id}/threads"
    posts = [(await caller.call("POST", path, body))[1]["id"] for _ in range(2)]
    assert await caller.code("POST", path, body) == (400, 160006)
    assert (await caller.call("PATCH", f"/channels/{posts[0]}", {"archived": True}))[0] == 200
    assert (await caller.call("POST", path, body))[0] == 201
    assert await caller.code("POST", f"/channels/{posts[0]}/messages", {"content": "x"}) == (400, 160006)


async def test_a_locked_post_is_for_moderators_and_closed_when_it_is_put_away(
    server: DiscordServer, caller: Caller
) -> None:
    path = f"/channels/{server.thread.id}/messages"
    server.admin.change(server.thread, locked=True)
    with pytest.raises(PermissionError):
        server.staff.write(server.thread, "x")
    assert (await caller.call("POST", path, {"content": "x"}))[0] == 200
    server.admin.deny(server.general, "MANAGE_THREADS")
    assert await caller.code("POST", path, {"content": "x"}) == (400, 160005)
    assert await caller.code("PATCH", f"/channels/{server.thread.id}", {"locked": False}) == (403, 50013)
    server.admin.allow(server.general, "MANAGE_THREADS")
    server.admin.change(server.thread, archived=True)
    assert await caller.code("POST", path, {"content": "x"}) == (400, 50083)
    assert await caller.code("PATCH", f"/channels/{server.thread.id}", {"name": "x"}) == (400, 50083)


@pytest.mark.parametrize(
    ("permission", "method", "path", "body"),
    [
        ("MANAGE_WEBHOOKS", "POST", "/channels/{forum}/webhooks", {"name": "x"}),
        ("MANAGE_WEBHOOKS", "GET", "/channels/{forum}/webhooks", None),
        ("MANAGE_CHANNELS", "PATCH", "/channels/{forum}", {"available_tags": []}),
        ("MANAGE_THREADS", "PATCH", "/channels/{thread}", {"name": "x"}),
        ("MANAGE_THREADS", "DELETE", "/channels/{thread}", None),
        ("SEND_MESSAGES", "POST", "/channels/{forum}/threads", {"name": "x", "message": {"content": "x"}}),
        ("CREATE_PUBLIC_THREADS", "POST", "/channels/{general}/threads", {"name": "x"}),
        ("SEND_MESSAGES_IN_THREADS", "POST", "/channels/{thread}/messages", {"content": "x"}),
        ("ADD_REACTIONS", "PUT", "/channels/{thread}/messages/{message}/reactions/%E2%9C%85/@me", None),
        ("READ_MESSAGE_HISTORY", "PUT", "/channels/{thread}/messages/{message}/reactions/%E2%9C%85/@me", None),
        ("READ_MESSAGE_HISTORY", "GET", "/channels/{forum}/threads/archived/public", None),
        ("MANAGE_MESSAGES", "DELETE", "/channels/{thread}/messages/{message}", None),
    ],
)
async def test_without_a_permission_it_is_forbidden(
    server: DiscordServer, caller: Caller, permission: str, method: str, path: str, body: Any
) -> None:
    written = server.staff.write(server.thread, "x")
    ids = {"general": server.general.id, "forum": server.forum.id, "thread": server.thread.id, "message": written.id}
    server.admin.grant(server.guild, "MANAGE_MESSAGES")
    for place in (server.general, server.forum):
        server.admin.deny(place, permission)
    server.thread.owner_id = server.owner.id
    assert await caller.code(method, path.format(**ids), body) == (403, 50013)
    for place in (server.general, server.forum):
        server.admin.allow(place, permission)
    assert (await caller.call(method, path.format(**ids), body))[0] < 300
    server.admin.deny(server.general, "VIEW_CHANNEL")
    server.admin.deny(server.forum, "VIEW_CHANNEL")
    assert await caller.code(method, path.format(**ids), body) in ((403, 50001), (404, 10003))


async def test_files_need_their_own_permission(server: DiscordServer, caller: Caller) -> None:
    server.admin.deny(server.general, "ATTACH_FILES")
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("files[0]", b"x", filename="a.png")
    path = f"/channels/{server.general.id}/messages"
    assert await caller.code("POST", path, data=form) == (403, 50013)


@pytest.fixture
async def webhook(server: DiscordServer, caller: Caller) -> str:
    """The path of a webhook in the forum."""
    made = (await caller.call("POST", f"/channels/{server.forum.id}/webhooks", {"name": "Quầy"}))[1]
    return f"/webhooks/{made['id']}/{made['token']}"


@pytest.mark.parametrize(
    ("query", "body", "status", "code"),
    [
        ("?wait=true&thread_id={post}", {"content": "x"}, 200, 0),
        ("?thread_id={post}", {"content": "x"}, 204, 0),
        ("", {"content": "x"}, 400, 220001),
        ("?thread_id={post}", {"content": "x", "thread_name": "x"}, 400, 220002),
        ("?wait=true", {"content": "x", "thread_name": "Khách B"}, 200, 0),
        ("?thread_id={thread}", {"content": "x"}, 404, 10003),
        ("?thread_id={post}", {"content": ""}, 400, 50006),
        ("?thread_id={post}", {"content": "x", "username": "Discord Support"}, 400, 50035),
        ("?thread_id={post}", {"content": "x", "username": "bonnie & CLYDE"}, 400, 50035),
        ("?thread_id={post}", {"content": "x", "username": "everyone"}, 400, 50035),
        ("?thread_id={post}", {"content": "x", "username": "x" * 81}, 400, 50035),
        ("?thread_id={post}", {"content": "x", "username": " "}, 400, 50035),
    ],
)
async def test_a_webhook_writes_into_posts_of_its_forum_under_decent_names(
    server: DiscordServer, caller: Caller, webhook: str, query: str, body: Any, status: int, code: int
) -> None:
    post = server.add_thread(server.forum, "Khách A")
    path = webhook + query.format(post=post.id, thread=server.thread.id)
    assert await caller.code("POST", path, body) == (status, code)


async def test_a_message_of_a_webhook_is_found_only_with_its_post_and_its_token(
    server: DiscordServer, caller: Caller, webhook: str
) -> None:
    post = server.add_thread(server.forum, "Khách A")
    sent = (await caller.call("POST", f"{webhook}?wait=true&thread_id={post.id}", {"content": "x"}))[1]
    one = f"/messages/{sent['id']}"
    assert await caller.code("PATCH", webhook + one, {"content": "y"}) == (404, 10008)
    assert await caller.code("PATCH", f"{webhook}x{one}?thread_id={post.id}", {"content": "y"}) == (401, 50027)
    assert (await caller.call("PATCH", f"{webhook}{one}?thread_id={post.id}", {"content": "y"}))[0] == 200
    assert await caller.code("PATCH", f"/channels/{post.id}{one}", {"content": "z"}) == (403, 50005)
    server.admin.change(post, archived=True)
    assert await caller.code("PATCH", f"{webhook}{one}?thread_id={post.id}", {"content": "z"}) == (400, 50083)
    assert (await caller.call("POST", f"{webhook}?thread_id={post.id}", {"content": "x"}))[0] == 204
    assert not post.archived


async def test_a_webhook_is_known_until_it_or_its_forum_is_deleted(
    server: DiscordServer, caller: Caller, webhook: str
) -> None:
    post = server.add_thread(server.forum, "Khách A")
    one = webhook.rpartition("/")[0]
    server.admin.deny(server.forum, "MANAGE_WEBHOOKS")
    assert (await caller.call("GET", one))[1]["token"] == webhook.rpartition("/")[2]
    assert await caller.code("PATCH", one, {"name": "Quầy 2"}) == (403, 50013)
    assert await caller.code("DELETE", one) == (403, 50013)
    server.admin.delete(server.forum)
    for path in (one, f"{webhook}?thread_id={post.id}"):
        assert await caller.code("GET", path) == (404, 10015)
    assert await caller.code("GET", f"/channels/{post.id}") == (404, 10003)


async def test_a_channel_has_fifteen_webhooks(server: DiscordServer, caller: Caller) -> None:
    path = f"/channels/{server.forum.id}/webhooks"
    assert {(await caller.call("POST", path, {"name": "Quầy"}))[0] for _ in range(15)} == {200}
    assert await caller.code("POST", path, {"name": "Quầy"}) == (400, 30007)
    assert await caller.code("POST", f"/channels/{server.thread.id}/webhooks", {"name": "Quầy"}) == (400, 50024)


async def test_a_message_has_twenty_kinds_of_emoji(server: DiscordServer, caller: Caller) -> None:
    written = server.staff.write(server.general, "x")
    path = f"/channels/{server.general.id}/messages/{written.id}/reactions/"
    emoji = [chr(0x1F600 + count) for count in range(21)]
    got = [await caller.code("PUT", f"{path}{quote(one)}/@me") for one in emoji]
    assert got == [(204, 0)] * 20 + [(400, 30010)]
    assert await caller.code("PUT", f"{path}{quote('⚠️')}/@me") == (400, 30010)
    assert await caller.code("PUT", f"{path}abc/@me") == (400, 10014)
    assert await caller.code("PUT", f"{path}xong:123/@me") == (400, 10014)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"type": 8, "data": {"choices": []}}, 50035),
        ({"type": 6}, 50035),
        ({"type": 9, "data": {"title": "x" * 46, "custom_id": "x", "components": []}}, 50035),
        ({"type": 9, "data": {"title": "x", "custom_id": "x", "components": []}}, 50035),
        ({"type": 9, "data": {"title": "x", "custom_id": "x", "components": rows(button())}}, 50035),
        ({"type": 4, "data": {"content": ""}}, 50006),
        ({"type": 4}, 50006),
    ],
)
async def test_a_command_is_not_answered_with_what_makes_no_sense(caller: Caller, answer: Any, code: int) -> None:
    server = caller.server
    application = f"/applications/{server.application_id}/commands"
    await caller.call("PUT", application, [{"name": "who", "description": "Ai"}])
    used = server.staff.command(server.general, "who")
    path = f"/interactions/{used.id}/{used.token}/callback"
    assert await caller.code("POST", path, answer) == (400, code)
    assert (await caller.call("POST", path, {"type": 4, "data": {"content": "Lan"}}))[0] == 204
    assert await caller.code("POST", path, {"type": 4, "data": {"content": "Lan"}}) == (400, 40060)


async def test_the_limits_that_no_header_tells_of(caller: Caller) -> None:
    async with DiscordServer(webhook_per_minute=2) as server, aiohttp.ClientSession() as session:
        limited = Caller(server, session)
        path = f"/channels/{server.thread.id}"
        names = [(await limited.call("PATCH", path, {"name": name}))[0] for name in ("a", "a", "b", "c")]
        assert names == [200, 200, 200, 429]
        refused = (await limited.call("PATCH", path, {"name": "d"}))[1]
        assert 590 < refused["retry_after"] <= 600
        made = (await limited.call("POST", f"/channels/{server.general.id}/webhooks", {"name": "Quầy"}))[1]
        hook = f"/webhooks/{made['id']}/{made['token']}"
        assert [(await limited.call("POST", hook, {"content": "x"}))[0] for _ in range(3)] == [204, 204, 429]


async def test_old_messages_are_edited_seldom() -> None:
    async with DiscordServer(per_window=100) as server, aiohttp.ClientSession() as session:
        limited = Caller(server, session)
        sent = (await limited.call("POST", f"/channels/{server.general.id}/messages", {"content": "x"}))[1]
        path = f"/channels/{server.general.id}/messages/{sent['id']}"
        server.admin.age(server.messages(server.general)[0], 3700)
        got = [await limited.code("PATCH", path, {"content": str(count)}) for count in range(21)]
        assert got == [(200, 0)] * 20 + [(429, 30046)]
