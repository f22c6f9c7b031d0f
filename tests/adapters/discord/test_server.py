"""The loopback Discord is as strict as the real one."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.servers.discord import DiscordServer
from tests.servers.discord.gateway import DIRECT_MESSAGES, GUILD_MESSAGES, GUILDS, MEMBERS, MESSAGE_CONTENT


class Caller:
    """A bot without a library."""

    def __init__(self, server: DiscordServer, session: aiohttp.ClientSession) -> None:
        self.server = server
        self.session = session

    async def call(self, method: str, path: str, body: Any = None, **options: Any) -> tuple[int, Any]:
        headers = {"Authorization": f"Bot {self.server.token}"} | options.pop("headers", {})
        call = self.session.request(method, self.server.api_url + path, json=body, headers=headers, **options)
        async with call as response:
            assert response.status == 204 or response.headers["Content-Type"] == "application/json"
            return response.status, await response.json() if response.status != 204 else None

    async def post(self, **body: Any) -> tuple[int, Any]:
        return await self.call("POST", f"/channels/{self.server.general.id}/messages", body)


@pytest.fixture
async def caller(server: DiscordServer) -> AsyncIterator[Caller]:
    async with aiohttp.ClientSession() as session:
        yield Caller(server, session)


async def test_a_wrong_token_is_401(caller: Caller) -> None:
    assert (await caller.call("GET", "/users/@me", headers={"Authorization": "Bot x"}))[0] == 401
    assert (await caller.call("GET", "/users/@me", headers={"Authorization": caller.server.token}))[0] == 401


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/channels/1", 404, 10003),
        ("POST", "/channels/1/messages", 404, 10003),
        ("PATCH", "/channels/{general}/messages/1", 404, 10008),
        ("GET", "/channels/{general}/messages/1", 404, 10008),
        ("GET", "/guilds/1", 404, 10004),
        ("GET", "/guilds/{guild}/members/1", 404, 10013),
        ("GET", "/channels/abc", 400, 50035),
        ("GET", "/nonsense", 404, 0),
        ("POST", "/channels/{forum}/messages", 400, 50008),
        ("PUT", "/applications/1/commands", 403, 20012),
        ("POST", "/interactions/1/x/callback", 404, 10062),
        ("PATCH", "/webhooks/1100000000000000001/x/messages/@original", 401, 50027),
    ],
)
async def test_what_is_unknown_is_named(caller: Caller, method: str, path: str, status: int, code: int) -> None:
    server = caller.server
    path = path.format(general=server.general.id, guild=server.guild.id, forum=server.forum.id)
    got, body = await caller.call(method, path, {"content": "x"} if method != "GET" else None)
    assert (got, body["code"]) == (status, code)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, 50006),
        ({"content": ""}, 50006),
        ({"content": " \n\t"}, 50006),
        ({"content": "x" * 2001}, 50035),
        ({"content": 5}, 50035),
        ({"content": "x", "nonce": "n" * 26}, 50035),
        ({"content": "x", "allowed_mentions": {"parse": ["all"]}}, 50035),
        ({"content": "x", "allowed_mentions": {"parse": ["users"], "users": ["1"]}}, 50035),
        ({"content": "x", "message_reference": {"message_id": "1"}}, 50035),
    ],
)
async def test_a_message_that_is_wrong_is_refused(caller: Caller, body: dict[str, Any], code: int) -> None:
    status, answer = await caller.post(**body)
    assert (status, answer["code"]) == (400, code)
    assert caller.server.messages(caller.server.general) == []


async def test_two_thousand_code_points_fit(caller: Caller) -> None:
    assert (await caller.post(content="😀" * 2000))[0] == 200


async def test_anything_but_json_is_refused(caller: Caller) -> None:
    path = f"{caller.server.api_url}/channels/{caller.server.general.id}/messages"
    headers = {"Authorization": f"Bot {caller.server.token}"}
    for data, kind in (('{"content": "x"}', "application/json; charset=utf-8"), ("{", "application/json")):
        async with caller.session.post(path, data=data, headers=headers | {"Content-Type": kind}) as response:
            assert response.status == 400


async def test_a_nonce_that_is_enforced_shows_one_message(caller: Caller) -> None:
    first = await caller.post(content="a", nonce="1", enforce_nonce=True)
    again = await caller.post(content="a", nonce="1", enforce_nonce=True)
    other = await caller.post(content="a", nonce="1")
    assert first[1]["id"] == again[1]["id"] != other[1]["id"]
    assert len(caller.server.answers(caller.server.general)) == 2


async def test_a_nonce_is_forgotten_after_minutes() -> None:
    now = [0.0]
    async with DiscordServer(clock=lambda: now[0]) as server, aiohttp.ClientSession() as session:
        caller, ids = Caller(server, session), list[str]()
        for now[0] in (0.0, 299.0, 301.0):
            ids.append((await caller.post(content="a", nonce="1", enforce_nonce=True))[1]["id"])
        assert ids[0] == ids[1] != ids[2]


async def test_only_own_messages_can_be_changed(caller: Caller) -> None:
    written = caller.server.staff.write(caller.server.general, "của tôi")
    path = f"/channels/{caller.server.general.id}/messages/{written.id}"
    assert (await caller.call("PATCH", path, {"content": "x"}))[1]["code"] == 50005
    assert (await caller.call("DELETE", path))[0] == 403


@pytest.mark.parametrize(("denied", "code"), [("VIEW_CHANNEL", 50001), ("SEND_MESSAGES", 50013)])
async def test_missing_permissions_are_403(caller: Caller, denied: str, code: int) -> None:
    caller.server.general.denied.add(denied)
    status, answer = await caller.post(content="x")
    assert (status, answer["code"]) == (403, code)


async def test_whoever_accepts_no_direct_messages_gets_none(caller: Caller) -> None:
    server = caller.server
    server.staff.user.accepts_dm = False
    _, channel = await caller.call("POST", "/users/@me/channels", {"recipient_id": str(server.staff.id)})
    status, answer = await caller.call("POST", f"/channels/{channel['id']}/messages", {"content": "x"})
    assert (status, answer["code"]) == (403, 50007)


async def test_mentions_ping_unless_they_are_not_allowed_to(caller: Caller) -> None:
    server = caller.server
    text = f"@everyone <@{server.staff.id}> <@&{server.staff_role.id}>"
    everybody = {"everyone", str(server.staff.id), str(server.staff_role.id)}
    for allowed, pinged in (
        ({}, everybody),
        ({"allowed_mentions": {"parse": []}}, set()),
        ({"allowed_mentions": {"parse": ["users"]}}, {str(server.staff.id)}),
        ({"allowed_mentions": {"parse": [], "users": [str(server.staff.id)]}}, {str(server.staff.id)}),
    ):
        await caller.post(content=text, **allowed)
        assert server.answers(server.general)[-1].pinged() == pinged


async def test_the_sixth_message_in_five_seconds_is_too_many() -> None:
    now = 0.0
    async with DiscordServer(clock=lambda: now) as server, aiohttp.ClientSession() as session:
        url = f"{server.api_url}/channels/{server.general.id}/messages"
        headers = {"Authorization": f"Bot {server.token}"}
        for left in (4, 3, 2, 1, 0):
            async with session.post(url, json={"content": "x"}, headers=headers) as response:
                assert response.headers["X-RateLimit-Remaining"] == str(left)
                assert response.headers["X-RateLimit-Bucket"] == "create-message"
        async with session.post(url, json={"content": "x"}, headers=headers) as response:
            assert response.status == 429
            assert response.headers["Via"]
            body = await response.json()
            assert (body["retry_after"], body["global"]) == (5.0, False)
        now = 5.0
        async with session.post(url, json={"content": "x"}, headers=headers) as response:
            assert response.status == 200


async def test_more_than_fifty_calls_in_a_second_are_too_many_for_all() -> None:
    async with DiscordServer(clock=lambda: 0.0) as server, aiohttp.ClientSession() as session:
        caller = Caller(server, session)
        for _ in range(50):
            assert (await caller.call("GET", "/users/@me"))[0] == 200
        status, body = await caller.call("GET", "/gateway")
        assert (status, body["global"]) == (429, True)


async def test_a_command_must_be_answered_in_three_seconds_and_once() -> None:
    now = 0.0
    async with DiscordServer(clock=lambda: now) as server, aiohttp.ClientSession() as session:
        caller = Caller(server, session)
        option = {"type": 3, "name": "question", "description": "What to ask"}
        command = {"name": "ask", "description": "Ask", "options": [option]}
        await caller.call("PUT", f"/applications/{server.application_id}/commands", [command])
        late, early = server.staff.ask(server.general, "a"), server.staff.ask(server.general, "b")
        callback = "/interactions/{0.id}/{0.token}/callback"
        now = 2.9
        assert (await caller.call("POST", callback.format(early), {"type": 5}))[0] == 204
        assert (await caller.call("POST", callback.format(early), {"type": 5}))[1]["code"] == 40060
        assert len(server.thinking(server.general)) == 1
        now = 3.1
        assert (await caller.call("POST", callback.format(late), {"type": 5}))[1]["code"] == 10062
        webhook = f"/webhooks/{server.application_id}/{early.token}"
        assert (await caller.call("PATCH", webhook + "/messages/@original", {"content": "a"}))[0] == 200
        assert (await caller.call("POST", webhook, {"content": "b", "flags": 64}))[0] == 200
        assert [one.content for one in server.answers(server.general)] == ["a"]
        assert early.followups[0].ephemeral
        now = 901.0
        status, body = await caller.call("PATCH", webhook + "/messages/@original", {"content": "c"})
        assert (status, body["code"]) == (401, 50027)


async def test_a_command_that_nobody_registered_can_not_be_used(server: DiscordServer) -> None:
    with pytest.raises(LookupError):
        server.staff.ask(server.general, "x")


async def test_a_forum_takes_posts_with_a_first_message(caller: Caller) -> None:
    server = caller.server
    path = f"/channels/{server.forum.id}/threads"
    assert (await caller.call("POST", path, {"name": "Khách A"}))[0] == 400
    status, post = await caller.call("POST", path, {"name": "Khách A", "message": {"content": "chào"}})
    assert (status, post["parent_id"]) == (201, str(server.forum.id))
    assert [one.content for one in server.messages(int(post["id"]))] == ["chào"]


async def test_history_is_given_in_pages(caller: Caller) -> None:
    server = caller.server
    ids = [server.staff.write(server.general, str(number)).id for number in range(5)]
    path = f"/channels/{server.general.id}/messages"
    _, page = await caller.call("GET", f"{path}?after={ids[0]}&limit=2")
    assert [int(one["id"]) for one in page] == [ids[2], ids[1]]
    _, page = await caller.call("GET", f"{path}?limit=2")
    assert [int(one["id"]) for one in page] == [ids[4], ids[3]]
    assert "member" not in page[0]


@pytest.mark.parametrize("query", ["limit=101", "limit=0", "limit=x", "after=x", "after=1&before=2", "since=1"])
async def test_history_is_not_given_for_what_makes_no_sense(caller: Caller, query: str) -> None:
    path = f"/channels/{caller.server.general.id}/messages?{query}"
    assert (await caller.call("GET", path))[0] == 400


async def test_a_history_that_may_not_be_read_is_empty_and_no_error(caller: Caller) -> None:
    server = caller.server
    server.staff.write(server.thread, "kín")
    path = f"/channels/{server.thread.id}/messages"
    server.general.denied.add("READ_MESSAGE_HISTORY")
    assert await caller.call("GET", path) == (200, [])
    server.general.denied.add("VIEW_CHANNEL")
    assert (await caller.call("GET", path))[0] == 403


async def test_history_has_a_limit_for_each_channel(caller: Caller) -> None:
    server = caller.server
    general, thread = (f"/channels/{place.id}/messages" for place in (server.general, server.thread))
    assert [(await caller.call("GET", general))[0] for _ in range(6)] == [200] * 5 + [429]
    assert (await caller.call("GET", thread))[0] == 200


async def test_a_channel_knows_its_newest_message_also_when_that_is_deleted(
    server: DiscordServer, socket: "Socket"
) -> None:
    written = server.staff.write(server.general, "a")
    server.staff.delete(written)
    post = server.add_thread(server.forum, "Khách A")
    await socket.identify(server.token, GUILDS)
    told = (await socket.event("GUILD_CREATE"))["d"]
    newest = {int(one["id"]): one["last_message_id"] for one in (*told["channels"], *told["threads"])}
    assert newest[server.general.id] == str(written.id)
    assert newest[server.forum.id] == str(post.id)
    assert newest[server.thread.id] is None


async def test_faults_come_once_and_in_the_order_they_were_set(caller: Caller) -> None:
    server = caller.server
    server.fault("GET", "/users/@me$", status=500)
    server.fault("GET", "/users/@me$", status=502)
    assert [(await caller.call("GET", "/users/@me"))[0] for _ in range(3)] == [500, 502, 200]
    assert [call.status for call in server.calls("GET", "/users/@me$")] == [500, 502, 200]


async def test_a_cut_is_before_or_after_the_call_is_applied(caller: Caller) -> None:
    server = caller.server
    for cut, shown in (("before", 0), ("after", 1)):
        server.fault("POST", "/messages$", cut=cut)
        with pytest.raises(aiohttp.ClientError):
            await caller.post(content="x")
        assert len(server.answers(server.general)) == shown


class Socket:
    """A gateway connection without a library."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws

    async def event(self, name: str) -> Any:
        while True:
            frame = await self.ws.receive_json(timeout=5.0)
            if frame.get("t") == name:
                return frame

    async def op(self, number: int) -> Any:
        while (frame := await self.ws.receive_json(timeout=5.0))["op"] != number:
            pass
        return frame

    async def closed(self) -> int | None:
        while (await self.ws.receive(timeout=5.0)).type not in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED):
            pass
        return self.ws.close_code

    async def identify(self, token: str, intents: int) -> None:
        data = {"token": token, "intents": intents, "properties": {"os": "linux"}}
        await self.ws.send_json({"op": 2, "d": data})


@pytest.fixture
async def socket(server: DiscordServer) -> AsyncIterator[Socket]:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(server.gateway_url + "?v=10&encoding=json") as ws,
    ):
        yield Socket(ws)


async def test_the_gateway_says_hello_and_acknowledges_heartbeats(socket: Socket) -> None:
    assert (await socket.op(10))["d"]["heartbeat_interval"] == 41250
    await socket.ws.send_json({"op": 1, "d": None})
    assert await socket.op(11) == {"op": 11}


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("{", 4002),
        ('{"op": 99}', 4001),
        ('{"op": 3, "d": {}}', 4003),
        ('{"op": 2, "d": {"token": "x", "intents": 1, "properties": {}}}', 4004),
        ('{"op": 2, "d": {"token": "x", "intents": 1}}', 4002),
    ],
)
async def test_a_wrong_frame_closes_the_gateway(socket: Socket, frame: str, code: int) -> None:
    await socket.ws.send_str(frame)
    assert await socket.closed() == code


@pytest.mark.parametrize(("intents", "code"), [(GUILDS | MEMBERS, 4014), (1 << 40, 4013), (-1, 4013)])
async def test_intents_that_are_not_granted_close_the_gateway(
    server: DiscordServer, socket: Socket, intents: int, code: int
) -> None:
    await socket.identify(server.token, intents)
    assert await socket.closed() == code


async def test_without_the_intent_words_come_only_from_mentions_and_in_private(
    server: DiscordServer, socket: Socket
) -> None:
    await socket.identify(server.token, GUILDS | GUILD_MESSAGES | DIRECT_MESSAGES)
    await socket.event("GUILD_CREATE")
    server.staff.write(server.general, "kín", mention_bot=False)
    server.staff.write(server.general, "tên")
    server.staff.dm("riêng")
    words = [(await socket.event("MESSAGE_CREATE"))["d"]["content"] for _ in range(3)]
    assert words == ["", f"<@{server.state.bot.id}> tên", "riêng"]


async def test_what_is_not_asked_for_does_not_come(server: DiscordServer, socket: Socket) -> None:
    await socket.identify(server.token, GUILDS | GUILD_MESSAGES | MESSAGE_CONTENT)
    await socket.event("GUILD_CREATE")
    server.staff.dm("riêng")
    server.staff.write(server.general, "chung", mention_bot=False)
    assert (await socket.event("MESSAGE_CREATE"))["d"]["content"] == "chung"


async def test_a_session_that_is_resumed_gets_what_it_missed(server: DiscordServer, socket: Socket) -> None:
    await socket.identify(server.token, GUILDS | GUILD_MESSAGES | MESSAGE_CONTENT)
    ready = await socket.event("READY")
    await socket.ws.close()
    await server.wait_for(lambda: not server.gateway.connected)
    server.staff.write(server.general, "trong lúc vắng", mention_bot=False)
    url = ready["d"]["resume_gateway_url"] + "?v=10&encoding=json"
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as ws:
        again = Socket(ws)
        data = {"token": server.token, "session_id": ready["d"]["session_id"], "seq": ready["s"]}
        await ws.send_json({"op": 6, "d": data})
        assert (await again.event("MESSAGE_CREATE"))["d"]["content"] == "trong lúc vắng"
        await again.event("RESUMED")
        data = {"token": server.token, "session_id": "unknown", "seq": 1}
        await ws.send_json({"op": 6, "d": data})
        assert (await again.op(9))["d"] is False


async def test_waiting_ends_when_it_becomes_true_and_not_before(server: DiscordServer) -> None:
    waiting = asyncio.create_task(server.wait_for(lambda: len(server.messages(server.general)) == 2))
    server.staff.write(server.general, "một")
    await asyncio.sleep(0)
    assert not waiting.done()
    server.staff.write(server.general, "hai")
    assert await waiting
    with pytest.raises(TimeoutError):
        await server.wait_for(lambda: False, timeout=0.01)
