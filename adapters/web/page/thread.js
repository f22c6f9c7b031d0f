// What the event stream says, as the list of messages that the page shows. Knows nothing of the page.

/** Applies events; `onChange(kind, message)` is called for: message, remove, clear, shown, typing. */
export class Thread {
  constructor(onChange) {
    this.messages = new Map();
    this.lastId = "";
    this.visitor = "";
    this.ready = false;
    this.onChange = onChange;
    this.fresh = null;
  }

  /** One event of the stream. Each says where it belongs, so that hearing it twice changes nothing. */
  apply(kind, data, id) {
    const messages = this.fresh ?? this.messages;
    const message = messages.get(data.key);
    if (kind === "snapshot") {
      this.fresh = new Map();
      this.visitor = data.visitor ?? "";
    } else if (kind === "message") {
      this.put(messages, message, data);
    } else if (kind === "append" && message) {
      message.text = message.text.slice(0, data.at) + data.text;
      message.cut = data.cut;
      this.tell("message", message);
    } else if (kind === "settle" && message) {
      message.growing = data.growing;
      message.sources = data.sources;
      message.files = data.files;
      message.offers = data.offers;
      this.tell("message", message);
    } else if (kind === "remove") {
      messages.delete(data.key);
      this.tell("remove", message ?? data);
    } else if (kind === "clear") {
      messages.clear();
      this.tell("clear");
    } else if (kind === "shown") {
      this.messages = this.fresh ?? this.messages;
      this.fresh = null;
      this.ready = true;
      this.onChange("shown");
    } else if (kind === "typing") {
      this.tell("typing");
    }
    if (id) this.lastId = id;
  }

  /** The line was cut: a snapshot that had begun is worth nothing. */
  cut() {
    this.fresh = null;
  }

  put(messages, known, data) {
    const message = known ?? { key: data.key };
    Object.assign(message, data);
    messages.set(message.key, message);
    this.tell("message", message);
  }

  tell(kind, message) {
    if (!this.fresh) this.onChange(kind, message);
  }
}
