// The page: what the visitor does goes to the line, what the thread says goes to the rows.

import { Line, newId, post } from "./line.js";
import { plain, show } from "./markdown.js";
import { Thread } from "./thread.js";
import { Row } from "./view.js";
import { preferredLanguage, remember, wordsOf } from "./words.js";

const linkHosts = JSON.parse(document.body.dataset.linkHosts);
const TEXT_LIMIT = 8_000;
const TYPING = 6_000;
const EXPECTED = 10_000;
const NEAR_END = 80;

const $ = (id) => document.getElementById(id);
const scroller = $("scroller");
const input = $("input");

let language = preferredLanguage();
let words = wordsOf(language);
let connection = "connecting";
let typingTimer = 0;
let following = true;
let painting = 0;
let sending = Promise.resolve();
const rows = new Map();
const changed = new Set();
const own = new Map();
const thread = new Thread(onThread);
const line = new Line(thread, onConnection);

speak(language);
restoreDraft();
resize();
line.connect();
if (!navigator.cookieEnabled) notice(words.noCookies);
if (matchMedia("(hover: hover)").matches) input.focus();

// --- the thread

function onThread(kind, message) {
  if (kind === "message") {
    if (own.delete(message.key)) keepOwn();
    if (message.role !== "customer" && message.text.trim()) hideTyping();
    changed.add(message.key);
  } else if (kind === "remove") {
    if (!own.has(message.key)) drop(message.key);
  } else if (kind === "clear") {
    own.clear();
    keepOwn();
    for (const key of [...rows.keys()]) drop(key);
    hideTyping();
    following = true;
  } else if (kind === "shown") {
    for (const key of [...rows.keys()]) if (!thread.messages.has(key) && !own.has(key)) drop(key);
    for (const key of thread.messages.keys()) {
      own.delete(key);
      changed.add(key);
    }
    resend();
    keepOwn();
  } else if (kind === "typing") {
    showTyping(TYPING);
  }
  paintSoon();
}

/** Once a frame at most, however many events came. */
function paintSoon() {
  painting ||= requestAnimationFrame(paint);
}

function paint() {
  painting = 0;
  const before = scroller.scrollHeight;
  for (const key of changed) paintRow(key);
  changed.clear();
  order();
  $("examples").hidden = rows.size > 0 || !thread.ready;
  paintButtons();
  if (following) toEnd();
  else if (scroller.scrollHeight > before) $("down").hidden = false;
}

function paintRow(key) {
  const message = thread.messages.get(key) ?? own.get(key);
  if (!message) return;
  let row = rows.get(key);
  if (!row) {
    row = new Row(words, linkHosts, (failed) => send(failed), askPerson);
    rows.set(key, row);
    $("messages").append(row.node);
  }
  if (row.growing && !message.growing && message.role !== "customer") $("spoken").textContent = plain(message.text);
  row.growing = message.growing;
  row.update(message, words);
}

/** The rows in the thread's order; what is still on its way is last. */
function order() {
  let at = $("messages").firstChild;
  for (const key of [...thread.messages.keys(), ...own.keys()]) {
    const node = rows.get(key)?.node;
    if (!node) continue;
    if (node === at) at = at.nextSibling;
    else $("messages").insertBefore(node, at);
  }
}

function drop(key) {
  rows.get(key)?.node.remove();
  rows.delete(key);
  changed.delete(key);
}

function isAnswering() {
  if (!$("typing").hidden) return true;
  for (const message of thread.messages.values()) if (message.growing) return true;
  return false;
}

// --- what the visitor does

function submit() {
  const text = input.value.trim();
  if (!text) return;
  if ([...text].length > TEXT_LIMIT) {
    const number = (value) => value.toLocaleString(language);
    notice(words.tooLong.replace("{length}", number([...text].length)).replace("{limit}", number(TEXT_LIMIT)));
    return;
  }
  input.value = "";
  onInput();
  notice("");
  if (text.toLowerCase() === "/human") askPerson();
  else send({ key: newId(), role: "customer", text, at: Date.now() });
}

/** Show a message of the visitor's and post it, after those before it. */
function send(message) {
  message.state = "sending";
  message.reason = "";
  own.set(message.key, message);
  keepOwn();
  changed.add(message.key);
  following = true;
  paintSoon();
  sending = sending.then(() => deliver(message));
}

async function deliver(message) {
  const result = await post("api/messages", { id: message.key, text: message.text, language });
  const known = thread.messages.has(message.key);
  if (result.ok) {
    checkVisitor(result.visitor);
    if (!known && own.has(message.key)) delete message.state;
    if (!answeredAfter(message.key)) showTyping(EXPECTED);
  } else if (!known && own.has(message.key)) {
    refuse(message, result);
  }
  keepOwn();
  changed.add(message.key);
  paintSoon();
}

function refuse(message, result) {
  if ([413, 422].includes(result.status) && !input.value.trim()) {
    own.delete(message.key);
    drop(message.key);
    input.value = message.text;
    onInput();
    notice(result.message);
    return;
  }
  message.state = "failed";
  message.reason = result.message || words.failed;
}

function answeredAfter(key) {
  const keys = [...thread.messages.keys()];
  const at = keys.indexOf(key);
  return at >= 0 && keys.slice(at + 1).some((each) => thread.messages.get(each).role !== "customer");
}

/** When the cookie was lost meanwhile, the stream still shows the old conversation. */
function checkVisitor(visitor) {
  if (visitor && thread.visitor && visitor !== thread.visitor) {
    thread.lastId = "";
    line.connect();
  }
}

async function stop() {
  $("send").disabled = true;
  const result = await post("api/stop", { id: newId(), language });
  $("send").disabled = false;
  if (!result.ok) notice(result.message || words.stopFailed);
  else hideTyping();
  paintSoon();
}

async function askPerson() {
  const result = await post("api/human", { id: newId(), language });
  if (!result.ok) notice(result.message || words.personFailed);
}

async function startAfresh() {
  const result = await post("api/new", { id: newId(), language });
  if (!result.ok) notice(result.message || words.freshFailed);
  input.focus();
}

// --- kept over a reload

function keepOwn() {
  keep("shopdesk.unsent", JSON.stringify([...own.values()].map(({ key, text, at }) => ({ key, text, at }))));
}

/** What was on its way when the page was closed; the server knows the ids that it has already. */
function resend() {
  if (resend.done) return;
  resend.done = true;
  try {
    for (const { key, text, at } of JSON.parse(sessionStorage.getItem("shopdesk.unsent") ?? "[]")) {
      if (!thread.messages.has(key) && !own.has(key)) send({ key, role: "customer", text, at });
    }
  } catch {
    // Nothing was kept, or storage is forbidden.
  }
}

function restoreDraft() {
  try {
    input.value = sessionStorage.getItem("shopdesk.draft") ?? "";
  } catch {
    // Storage may be forbidden; then there is no draft.
  }
  onInput();
}

function keep(name, value) {
  try {
    sessionStorage.setItem(name, value);
  } catch {
    // Storage may be forbidden or full; the page works without.
  }
}

// --- the page around it

function speak(chosen) {
  language = chosen;
  words = wordsOf(language);
  document.documentElement.lang = language;
  show($("greeting"), document.body.dataset[language === "vi" ? "greetingVi" : "greetingEn"] ?? "");
  input.placeholder = words.placeholder;
  input.setAttribute("aria-label", words.inputLabel);
  $("log").setAttribute("aria-label", words.log);
  $("hint").textContent = words.hint;
  $("language").textContent = language === "vi" ? "EN" : "VI";
  label($("language"), words.language);
  label($("fresh"), words.fresh);
  $("down").querySelector("span").textContent = words.newMessages;
  $("confirm-title").textContent = words.freshTitle;
  $("confirm-text").textContent = words.freshText;
  $("confirm-yes").textContent = words.freshYes;
  $("confirm-no").textContent = words.cancel;
  showExamples();
  onConnection(connection);
  for (const key of rows.keys()) changed.add(key);
  paintSoon();
}

function showExamples() {
  const title = document.createElement("p");
  title.textContent = words.examplesTitle;
  const buttons = words.examples.map((text) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = text;
    button.addEventListener("click", () => send({ key: newId(), role: "customer", text, at: Date.now() }));
    return button;
  });
  $("examples").replaceChildren(title, ...buttons);
}

function onConnection(state) {
  connection = state;
  const shown = { connecting: words.connecting, online: words.subtitle, offline: words.offline, crowded: words.offline };
  // A line that comes back at once is not worth a word.
  clearTimeout(onConnection.timer);
  onConnection.timer = setTimeout(
    () => {
      document.body.dataset.connection = state;
      $("status").textContent = shown[state];
      if (state === "crowded") notice(words.crowded);
      else if (state === "offline" && !navigator.onLine) notice(words.lost);
      else if (state === "online" && [words.lost, words.crowded].includes($("notice").textContent)) notice("");
    },
    state === "offline" ? 1_500 : 0,
  );
}

function notice(text) {
  $("notice").textContent = text;
  $("notice").hidden = !text;
}

function label(button, text) {
  button.setAttribute("aria-label", text);
  button.title = text;
}

function paintButtons() {
  const answering = isAnswering() && !input.value.trim();
  $("send").classList.toggle("stops", answering);
  $("send").disabled = !answering && !input.value.trim();
  label($("send"), answering ? words.stop : words.send);
  $("fresh").disabled = rows.size === 0;
}

function showTyping(lasts) {
  if ($("typing").hidden) $("spoken").textContent = words.typing;
  $("typing").hidden = false;
  clearTimeout(typingTimer);
  typingTimer = setTimeout(() => {
    hideTyping();
    paintSoon();
  }, lasts);
}

function hideTyping() {
  clearTimeout(typingTimer);
  $("typing").hidden = true;
}

function toEnd() {
  scroller.scrollTop = scroller.scrollHeight;
  $("down").hidden = true;
}

function onInput() {
  input.style.height = "auto";
  input.style.height = `${Math.min(input.scrollHeight, 168)}px`;
  keep("shopdesk.draft", input.value);
  paintSoon();
}

/** On phones the keyboard covers part of the page; only this tells how much. */
function resize() {
  const view = window.visualViewport;
  if (view) {
    document.documentElement.style.setProperty("--height", `${view.height * view.scale}px`);
    // Safari scrolls the page up under its keyboard, although everything fits now.
    if (view.scale === 1) scrollTo(0, 0);
  }
  if (following) toEnd();
}

input.addEventListener("input", onInput);
input.addEventListener("keydown", (event) => {
  // While an input method composes (Telex, for one), Enter belongs to it. 229 is how Safari says so.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  submit();
});
$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  if ($("send").classList.contains("stops")) stop();
  else submit();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !event.isComposing && !$("confirm").open && isAnswering()) stop();
});
$("fresh").addEventListener("click", () => {
  $("confirm").returnValue = "";
  $("confirm").showModal();
});
$("confirm").addEventListener("close", () => {
  if ($("confirm").returnValue === "yes") startAfresh();
});
$("language").addEventListener("click", () => {
  const chosen = language === "vi" ? "en" : "vi";
  remember(chosen);
  speak(chosen);
});
$("notice").addEventListener("click", () => {
  notice("");
  if (connection === "crowded") line.connect();
});
$("down").addEventListener("click", () => {
  following = true;
  toEnd();
});
scroller.addEventListener("scroll", () => {
  following = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR_END;
  if (following) $("down").hidden = true;
});
window.visualViewport?.addEventListener("resize", resize);
