"""A page on which a person plays the customer, so that the bot can be tried with no account."""

from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.servers.telegram.uploads import FOLDERS

if TYPE_CHECKING:
    from tests.servers.telegram.server import TelegramServer

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Telegram on loopback</title>
<style>
  body { font: 16px/1.4 system-ui, sans-serif; max-width: 40rem; margin: 0 auto; padding: 1rem; }
  #log { display: flex; flex-direction: column; gap: .5rem; min-height: 60vh; }
  .m { padding: .5rem .75rem; border-radius: .75rem; white-space: pre-wrap; overflow-wrap: anywhere; max-width: 85%; }
  .bot { background: #eef1f4; align-self: start; } .me { background: #d8f3c8; align-self: end; }
  form { display: flex; gap: .5rem; position: sticky; bottom: 0; background: white; padding: .5rem 0; }
  input[name=text] { flex: 1; } input, button { font: inherit; padding: .4rem; } input[name=chat] { width: 4rem; }
</style>
<div id="log" aria-live="polite"></div>
<form><input name="chat" value="7" aria-label="Customer number"><input name="text" autofocus autocomplete="off"
 placeholder="Write as this customer" aria-label="Message"><button>Send</button>
<button type="button" id="stop" hidden>Stop</button></form>
<script>
const form = document.forms[0], stop = document.getElementById("stop"), log = document.getElementById("log");
const tags = {bold: "b", italic: "i", strikethrough: "s", code: "code", pre: "pre", blockquote: "blockquote"};
function shown(text, entities) {
  const box = document.createElement("div");
  (function fill(parent, from, to, inner) {
    let at = from;
    while (inner.length) {
      const e = inner[0], end = e.offset + e.length;
      parent.append(text.slice(at, e.offset));
      const node = document.createElement(e.type === "text_link" ? "a" : tags[e.type] || "span");
      if (e.type === "text_link" && /^https?:/.test(e.url)) node.href = e.url;
      fill(node, e.offset, end, inner.slice(1).filter(o => o.offset < end));
      parent.append(node);
      at = end;
      inner = inner.slice(1).filter(o => o.offset >= end);
    }
    parent.append(text.slice(at, to));
  })(box, 0, text.length, entities);
  return box;
}
async function look() {
  for (let version = -1;;) {
    try {
      const answer = await fetch(`/hand/messages?chat_id=${form.chat.value}&version=${version}`);
      const state = await answer.json();
      version = state.version;
      log.replaceChildren(...state.messages.map(m => {
        const box = shown(m.text, m.entities);
        box.className = "m " + (m.by_bot ? "bot" : "me");
        for (const kind of m.files) box.append(` [${kind}]`);
        for (const label of m.buttons) {
          const button = document.createElement("button");
          button.textContent = label.text;
          button.onclick = () => fetch("/hand/press", {method: "POST", body: JSON.stringify(
            {chat_id: +form.chat.value, message_id: m.id, data: label.callback_data})});
          box.append(document.createElement("br"), button);
        }
        return box;
      }));
      stop.hidden = !state.can_stop;
      window.scrollTo(0, document.body.scrollHeight);
    } catch (e) { await new Promise(done => setTimeout(done, 1000)); }
  }
}
form.onsubmit = event => {
  event.preventDefault();
  const body = JSON.stringify({chat_id: +form.chat.value, text: form.text.value});
  if (form.text.value.trim()) fetch("/hand/write", {method: "POST", body});
  form.text.value = "";
};
stop.onclick = () => fetch("/hand/stop", {method: "POST", body: JSON.stringify({chat_id: +form.chat.value})});
look();
</script></html>
"""


def routes(server: "TelegramServer") -> list[web.RouteDef]:
    """The page, and what it asks for."""

    async def page(request: web.Request) -> web.StreamResponse:
        return web.Response(text=_PAGE, content_type="text/html")

    async def write(request: web.Request) -> web.StreamResponse:
        given: Any = await request.json()
        server.customer(int(given["chat_id"]), "Lan").write(str(given["text"])[:4096])
        return web.json_response({})

    async def stop(request: web.Request) -> web.StreamResponse:
        given: Any = await request.json()
        server.stop_pressed(int(given["chat_id"]))
        return web.json_response({})

    async def press(request: web.Request) -> web.StreamResponse:
        given: Any = await request.json()
        server.customer(int(given["chat_id"]), "Lan").press(int(given["message_id"]), str(given["data"]))
        return web.json_response({})

    async def messages(request: web.Request) -> web.StreamResponse:
        chat_id = int(request.query.get("chat_id", "7"))
        before = request.query.get("version", "")

        def state() -> dict[str, Any] | None:
            found = [
                {
                    "id": message.message_id,
                    "text": message.text,
                    "entities": list(message.entities),
                    "by_bot": message.by_bot,
                    "files": [kind for kind in FOLDERS if kind in message.raw],
                    "buttons": [one for row in _rows(message.raw) for one in row],
                }
                for message in server.messages(chat_id, everybody=True)
            ]
            chat = server.account.chats.get(chat_id)
            drafts = chat.visible_drafts() if chat else []
            found += [
                {
                    "id": 0,
                    "text": draft.text,
                    "entities": list(draft.entities),
                    "by_bot": True,
                    "files": [],
                    "buttons": [],
                }
                for draft in drafts
            ]
            can_stop = any(draft.can_stop for draft in drafts)
            version = str(hash(repr((found, can_stop))) & 0xFFFFFFFF)
            return None if version == before else {"version": version, "messages": found, "can_stop": can_stop}

        return web.json_response(await server.wait_for(state, timeout=3600))

    return [
        web.get("/", page, allow_head=False),
        web.post("/hand/write", write),
        web.post("/hand/stop", stop),
        web.post("/hand/press", press),
        web.get("/hand/messages", messages, allow_head=False),
    ]


def _rows(raw: Any) -> Any:
    return raw.get("reply_markup", {}).get("inline_keyboard", [])
