// One message as nodes of the page.

import { isLink, mayLink } from "./links.js";
import { link, show } from "./markdown.js";

/** A row for a message; `hosts`: where its links may lead; `onRetry`: the reader wants it sent again. */
export class Row {
  constructor(words, hosts, onRetry) {
    this.words = words;
    this.mayLink = (url) => mayLink(url, hosts);
    this.onRetry = onRetry;
    this.node = document.createElement("div");
    this.name = part("p", "name");
    this.bubble = part("div", "bubble");
    this.text = part("div", "text");
    this.text.dir = "auto";
    this.sources = part("div", "sources");
    this.state = part("p", "state");
    this.bubble.append(this.text);
    this.node.append(this.name, this.bubble, this.sources, this.state);
    this.shownSources = "";
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
    this.showState(message);
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
