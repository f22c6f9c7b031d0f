// One message as nodes of the page.

import { isLink, mayLink } from "./links.js";
import { link, show } from "./markdown.js";

/** A row for a message; `hosts`: where its links may lead; `onRetry`: the reader wants it sent again; `onPerson`: he
 * wants a person. */
export class Row {
  constructor(words, hosts, onRetry, onPerson) {
    this.words = words;
    this.mayLink = (url) => mayLink(url, hosts);
    this.onRetry = onRetry;
    this.onPerson = onPerson;
    this.node = document.createElement("div");
    this.name = part("p", "name");
    this.bubble = part("div", "bubble");
    this.text = part("div", "text");
    this.text.dir = "auto";
    this.files = part("div", "files");
    this.sources = part("div", "sources");
    this.offer = part("button", "offer");
    this.offer.type = "button";
    this.offer.hidden = true;
    this.offer.addEventListener("click", () => this.onPerson());
    this.state = part("p", "state");
    this.bubble.append(this.text);
    this.node.append(this.name, this.bubble, this.files, this.sources, this.offer, this.state);
    this.shownSources = this.shownFiles = "";
  }

  /** Bring the nodes up to date. */
  update(message, words) {
    this.words = words;
    const own = message.role === "customer";
    this.node.className = `row ${message.role}${message.growing ? " growing" : ""}${message.state ? ` ${message.state}` : ""}`;
    this.name.textContent = message.role === "staff" ? words.staff : own ? words.you : "";
    this.name.classList.toggle("unseen", own);
    this.name.hidden = !this.name.textContent;
    if (own) this.text.textContent = message.text;
    // A text that grows reads well by itself; only of a long one a piece may be here that does not.
    else show(this.text, message.text, message.cut, message.role === "staff" ? isLink : this.mayLink);
    this.bubble.hidden = !message.text.trim();
    this.bubble.title = message.at ? new Date(message.at).toLocaleString(document.documentElement.lang) : "";
    this.showSources(message.growing ? [] : message.sources ?? []);
    this.showFiles(message.files ?? []);
    this.offer.textContent = words.person;
    this.offer.hidden = !message.offers || message.growing;
    this.showState(message);
  }

  showFiles(files) {
    const shown = JSON.stringify(files);
    if (shown === this.shownFiles) return;
    this.shownFiles = shown;
    this.files.replaceChildren(...files.map(buildFile));
  }

  showSources(sources) {
    const shown = JSON.stringify([this.words.source, sources]);
    if (shown === this.shownSources) return;
    this.shownSources = shown;
    this.sources.replaceChildren(...sources.map((source) => buildSource(source, this.words)));
  }

  showState(message) {
    const { words } = this;
    if (message.state === "failed") {
      const retry = part("button", "retry");
      retry.type = "button";
      retry.textContent = words.retry;
      retry.addEventListener("click", () => this.onRetry(message));
      this.state.replaceChildren(`${message.reason || words.failed} `, retry);
    } else {
      this.state.textContent = message.state === "sending" ? words.sending : "";
    }
    this.state.hidden = !message.state;
  }
}

/** A picture, a player, or a link that saves the file. The address is of this site, whatever the file is called. */
function buildFile(file) {
  const address = `files/${encodeURIComponent(file.token)}`;
  const family = String(file.type).split("/")[0];
  if (["audio", "video"].includes(family)) {
    const player = part(family, "player");
    player.controls = true;
    player.preload = "metadata";
    player.src = address;
    return player;
  }
  const open = part("a", "file");
  open.href = address;
  open.target = "_blank";
  open.rel = "noopener";
  if (["image/jpeg", "image/png", "image/gif", "image/webp"].includes(file.type)) {
    const picture = part("img", "picture");
    picture.src = address;
    picture.alt = file.name;
    picture.loading = "lazy";
    open.append(picture);
  } else {
    open.textContent = `📎 ${file.name || "file"}`;
    open.download = file.name || "file";
  }
  return open;
}

function buildSource(source, words) {
  const details = part("details", "source");
  const summary = part("summary", "");
  const label = part("span", "label");
  label.textContent = `${words.source}: `;
  const names = source.heading && source.heading !== source.title ? [source.title, source.heading] : [source.title];
  summary.append(label, names.filter(Boolean).join(" › "));
  const text = part("div", "text");
  show(text, source.text ?? "");
  details.append(summary, text);
  if (isLink(source.url)) {
    const open = link(source.url);
    open.className = "more";
    open.textContent = words.openSource;
    details.append(open);
  }
  // Under the last answer it would open below what can be seen.
  details.addEventListener("toggle", () => details.open && details.scrollIntoView({ block: "nearest" }));
  return details;
}

function part(tag, name) {
  const node = document.createElement(tag);
  if (name) node.className = name;
  return node;
}
