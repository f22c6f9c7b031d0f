// Finds what is inside a line of Markdown: emphasis, code, links.

import { entityAt } from "./entities.js";

const TAIL = 400;
const URL_LIMIT = 2048;
const PUNCTUATION_ANYWHERE = /[\p{P}\p{S}]/u;
const NO_BEGINNING = /[\p{Pe}\p{Pf}.,:;!?…%‰。，、！？：；～·)\]}]/u;
const DIGIT = /[0-9]/;
const PUNCTUATION = /[!-/:-@[-`{-~]/;

/**
 * A text to a flat list of {text} | {open} | {close} | {code} | {br}. Emphasis is matched as CommonMark says:
 * by a stack of delimiters, whose bottom is remembered for what found no opener.
 */
export function parseInline(source, growing = false) {
  const text = growing ? withoutTail(source) : source;
  const scan = { text, growing, nodes: [], delimiters: [], brackets: [], ticks: tickRuns(text), at: 0, word: "" };
  scan.activeFrom = 0;
  scan.links = 0;
  while (scan.at < text.length) step(scan);
  flush(scan);
  if (growing) closeTail(scan);
  match(scan, 0);
  return output(scan.nodes);
}

/** A growing text without the marks at its end, which may become anything. */
function withoutTail(text) {
  const end = trimmedEnd(text, "*_~`<!");
  return text[end - 1] === "\\" ? text.slice(0, end - 1) : text.slice(0, end);
}

// By hand: a regular expression that is anchored only at the end is quadratic on long runs.
function trimmedEnd(text, marks) {
  let end = text.length;
  while (end > 0 && marks.includes(text[end - 1])) end -= 1;
  return end;
}

function step(scan) {
  const { text, at } = scan;
  const char = text[at];
  if (char === "\\" && at + 1 < text.length && PUNCTUATION.test(text[at + 1])) {
    scan.word += text[at + 1];
    scan.at += 2;
  } else if (char === "\\" && text[at + 1] === "\n") {
    scan.at += 1;
  } else if (char === "&") {
    const entity = entityAt(text, at);
    scan.word += entity ? entity.char : char;
    scan.at = entity ? entity.end : at + 1;
  } else if (char === "\n") {
    push(scan, { br: true });
    scan.at += 1;
  } else if (char === "`") {
    readCode(scan);
  } else if (char === "*" || char === "_" || char === "~") {
    readDelimiter(scan, char);
  } else if (char === "[" || (char === "!" && text[at + 1] === "[")) {
    const length = char === "!" ? 2 : 1;
    const node = push(scan, { text: text.slice(at, at + length) });
    scan.brackets.push({ node, at, bottom: scan.delimiters.length, links: scan.links });
    scan.at += length;
  } else if (char === "]") {
    readLinkEnd(scan);
  } else if (!(char === "<" && readAutolink(scan)) && !((char === "h" || char === "H") && readBareLink(scan))) {
    scan.word += char;
    scan.at += 1;
  }
}

function flush(scan) {
  if (scan.word) scan.nodes.push({ text: scan.word });
  scan.word = "";
}

function push(scan, node) {
  flush(scan);
  scan.nodes.push(node);
  return node;
}

/** Where the runs of backticks of each length begin: a code span finds its end without searching. */
function tickRuns(text) {
  const runs = new Map();
  for (let at = text.indexOf("`"); at >= 0; at = text.indexOf("`", at)) {
    let end = at;
    while (text[end] === "`") end += 1;
    if (!runs.has(end - at)) runs.set(end - at, { starts: [], next: 0 });
    runs.get(end - at).starts.push(at);
    at = end;
  }
  return runs;
}

function readCode(scan) {
  const { text, at } = scan;
  let end = at;
  while (text[end] === "`") end += 1;
  const length = end - at;
  const run = scan.ticks.get(length);
  while (run && run.next < run.starts.length && run.starts[run.next] < end) run.next += 1;
  const close = run?.starts[run.next];
  if (close !== undefined) {
    push(scan, { code: codeText(text.slice(end, close)) });
    scan.at = close + length;
  } else if (scan.growing && text.length - at < TAIL) {
    push(scan, { code: codeText(text.slice(end)) });
    scan.at = text.length;
  } else {
    scan.word += text.slice(at, end);
    scan.at = end;
  }
}

function codeText(text) {
  const line = text.replace(/\n/g, " ");
  return line.length > 2 && line[0] === " " && line[line.length - 1] === " " && line.trim() ? line.slice(1, -1) : line;
}

function readDelimiter(scan, char) {
  const { text, at } = scan;
  let end = at;
  while (text[end] === char) end += 1;
  const before = at ? charBefore(text, at) : " ";
  const after = end < text.length ? String.fromCodePoint(text.codePointAt(end)) : " ";
  const isMark = (each) => PUNCTUATION_ANYWHERE.test(each);
  const left = !/\s/.test(after) && (!isMark(after) || /\s/.test(before) || isMark(before));
  const right = !/\s/.test(before) && (!isMark(before) || /\s/.test(after) || isMark(after));
  let opens = left && (char !== "_" || !right || isMark(before));
  let closes = right && (char !== "_" || !left || isMark(after));
  const either = opens && closes;
  if (char === "*" && end - at === 1 && DIGIT.test(before) && DIGIT.test(after)) {
    // Between numbers it means "times".
    scan.word += char;
    scan.at = end;
    return;
  }
  if (char === "*" && end - at === 2) {
    // "**So:**words" is bold to its writer, and so is "words**(so)**".
    if (left && !right && !/[\s\p{Ps}\p{Pi}]/u.test(before) && isMark(before) && !isMark(after)) closes = true;
    else if (right && !left && !isMark(before) && isMark(after) && !NO_BEGINNING.test(after)) opens = true;
  }
  // GFM leaves open what may begin a strikethrough: here it is as at the other doors.
  if (char === "~") opens = end - at === 2 && !/\s/.test(after);
  if (char === "~") closes = end - at === 2 && !/\s/.test(before) && (!isMark(before) || /\s/.test(after) || isMark(after));
  const node = push(scan, { text: "", char, left: end - at, length: end - at, opened: [], closed: [] });
  if (opens || closes) scan.delimiters.push({ node, opens, closes, either, at });
  scan.at = end;
}

function charBefore(text, at) {
  const half = text.charCodeAt(at - 1);
  return half >= 0xdc00 && half <= 0xdfff ? text.slice(at - 2, at) : text[at - 1];
}

/** Match the delimiters from `bottom` on, and take them off the stack. */
function match(scan, bottom) {
  const stack = [];
  const floors = new Map();
  for (const closer of scan.delimiters.splice(bottom)) {
    if (closer.closes) {
      const kind = `${closer.node.char}${closer.either}${closer.node.length % 3}`;
      while (closer.node.left) {
        const index = openerFor(stack, closer, floors.get(kind) ?? 0);
        if (index < 0) {
          floors.set(kind, stack.length);
          break;
        }
        const opener = stack[index];
        const count = Math.min(opener.node.left, closer.node.left) >= 2 ? 2 : 1;
        const tag = closer.node.char === "~" ? "del" : count === 2 ? "strong" : "em";
        opener.node.opened.unshift(tag);
        closer.node.closed.push(tag);
        opener.node.left -= count;
        closer.node.left -= count;
        stack.length = opener.node.left ? index + 1 : index;
        for (const [each, floor] of floors) if (floor > stack.length) floors.set(each, stack.length);
      }
    }
    if (closer.opens && closer.node.left) stack.push(closer);
  }
}

function openerFor(stack, closer, floor) {
  for (let index = stack.length - 1; index >= floor; index -= 1) {
    const opener = stack[index];
    if (opener.node.char !== closer.node.char) continue;
    const either = opener.either || closer.either;
    const sum = opener.node.length + closer.node.length;
    if (either && sum % 3 === 0 && (opener.node.length % 3 || closer.node.length % 3)) continue;
    return index;
  }
  return -1;
}

function readLinkEnd(scan) {
  const bracket = scan.brackets.pop();
  const isImage = bracket?.node.text === "![";
  // There may be links in the words of a picture, other than in those of a link.
  const active = bracket && (isImage || scan.brackets.length >= scan.activeFrom);
  scan.activeFrom = Math.min(scan.activeFrom, scan.brackets.length);
  const target = active ? readTarget(scan) : null;
  if (!target) {
    scan.word += "]";
    scan.at += 1;
    return;
  }
  flush(scan);
  match(scan, bracket.bottom);
  bracket.node.text = "";
  // A picture in the words of a link is words, too, and so is one that has a link in its own.
  const isWords = isImage && (scan.brackets.length !== scan.activeFrom || bracket.links !== scan.links);
  if (!target.unfinished && !isWords) {
    scan.links += 1;
    if (target.url) {
      bracket.node.open = "a";
      bracket.node.url = target.url;
      scan.nodes.push({ close: "a" });
    }
    // A link cannot be inside another: the brackets around it are only text now.
    scan.activeFrom = scan.brackets.length;
  }
  scan.at = target.end;
}

const ANGLED = /<(?:[^<>\n\\]|\\.)*>/sy;
const STEP = /(?:\\.|[^()\\\u0000-\u0020\u007f])+|[()]/sy;
// A tag of HTML: it is shown as it stands, and what is in it is no markup.
const TAG = /<(?:[a-z][a-z0-9-]*(?:\s+[a-z_:][\w.:-]*(?:\s*=\s*(?:[^\s"'=<>`]+|'[^']*'|"[^"]*"))?)*\s*\/?>|\/[a-z][a-z0-9-]*\s*>|!--[^]*?-->|\?[^]*?\?>|![a-z][^>]*>|!\[CDATA\[[^]*?\]\]>)/iy;
const WHITE = /[ \t\n]*/y;
const TITLE = /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\((?:[^()\\]|\\.)*\)/sy;

/** Where a pattern ends that begins at a place; -1 if it does not. */
function endOf(pattern, text, at) {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : -1;
}

/** What follows a `]`: {url, end}; null when it is no address. One that breaks off is none yet, but hidden. */
function readTarget(scan) {
  const from = scan.at + 1;
  const text = scan.text.slice(from, from + URL_LIMIT + TAIL);
  const unfinished = scan.growing && from + text.length === scan.text.length ? { unfinished: true, end: scan.text.length } : null;
  if (!text) return unfinished;
  if (text[0] !== "(") return null;
  const start = endOf(WHITE, text, 1);
  const angled = text[start] === "<";
  let at = angled ? endOf(ANGLED, text, start) : start;
  if (at < 0) return text.slice(start).includes("\n") ? null : unfinished;
  for (let depth = 0; !angled; ) {
    const next = endOf(STEP, text, at);
    depth += next < 0 ? 0 : text[at] === "(" ? 1 : text[at] === ")" ? -1 : 0;
    if (depth > 32 || (next < 0 && depth > 0)) return at === text.length ? unfinished : null;
    if (next < 0 || depth < 0) break;
    at = next;
  }
  const url = angled ? text.slice(start + 1, at - 1) : text.slice(start, at);
  let end = endOf(WHITE, text, at);
  if (end > at && `"'(`.includes(text[end] ?? ")")) {
    const title = endOf(TITLE, text, end);
    if (title < 0) return unfinished;
    end = endOf(WHITE, text, title);
  }
  if (end >= text.length) return unfinished;
  return text[end] === ")" ? { url: unescaped(url), end: from + end + 1 } : null;
}

function unescaped(url) {
  let done = "";
  for (let at = 0; at < url.length; ) {
    const entity = url[at] === "&" ? entityAt(url, at) : null;
    if (url[at] === "\\" && PUNCTUATION.test(url[at + 1] ?? "")) at += 1;
    done += entity ? entity.char : url[at];
    at = entity ? entity.end : at + 1;
  }
  return done;
}

function readAutolink(scan) {
  const rest = scan.text.slice(scan.at, scan.at + URL_LIMIT);
  const line = /^<br\s*\/?>/i.exec(rest);
  if (line) {
    push(scan, { br: true });
    scan.at += line[0].length;
    return true;
  }
  const mail = /^<([\w.!#$%&'*+/=?^`{|}~-]+@[a-z0-9-]+(\.[a-z0-9-]+)*)>/i.exec(rest);
  const found = mail ?? /^<([a-z][a-z0-9+.-]{1,31}:[^\s<>]*)>/i.exec(rest);
  const tag = found ? -1 : endOf(TAG, rest, 0);
  if (tag > 0) {
    scan.word += rest.slice(0, tag);
    scan.at += tag;
    return true;
  }
  if (!found) return scan.growing && beginsAutolink(scan);
  if (!mail) pushLink(scan, found[1], found[1]);
  else if (mail[2]) pushLink(scan, `mailto:${mail[1]}`, mail[1]);
  else scan.word += mail[1];
  scan.at += found[0].length;
  return true;
}

function beginsAutolink(scan) {
  const begins = /^<[hmt][^\s<>]*$/i.test(scan.text.slice(scan.at, scan.at + URL_LIMIT));
  if (begins) scan.at += 1;
  return begins;
}

function readBareLink(scan) {
  const { text, at } = scan;
  if (at && /[\p{L}\p{N}]/u.test(text[at - 1])) return false;
  const found = /^https?:\/\/[^\s<>"`|[\]]+/i.exec(text.slice(at, at + URL_LIMIT));
  if (!found) return false;
  let url = found[0].slice(0, trimmedEnd(found[0], ".,;:!?'\"*_~"));
  let extra = url.split(")").length - url.split("(").length;
  for (; extra > 0 && url.endsWith(")"); extra -= 1) url = url.slice(0, -1);
  if (!/^https?:\/\/./i.test(url)) return false;
  if (scan.growing && at + found[0].length >= text.length) push(scan, { text: url });
  else pushLink(scan, url, url);
  scan.at += url.length;
  return true;
}

function pushLink(scan, url, words) {
  if (scan.brackets.length > scan.activeFrom) {
    // Inside [brackets] it may still become the words of another link.
    scan.word += words;
    return;
  }
  scan.links += 1;
  push(scan, { open: "a", url });
  push(scan, { text: words });
  push(scan, { close: "a" });
}

/** What is open at the end of a growing text: emphasis lasts to the end, a bracket is not shown. */
function closeTail(scan) {
  const length = scan.text.length;
  for (const bracket of scan.brackets.slice(scan.activeFrom)) {
    if (length - bracket.at < TAIL) bracket.node.text = "";
  }
  const open = scan.delimiters.filter((each) => each.opens && length - each.at < TAIL);
  for (const each of open.reverse()) {
    const { char, length: count } = each.node;
    const node = { text: "", char, left: count, length: count, opened: [], closed: [], virtual: true };
    scan.nodes.push(node);
    scan.delimiters.push({ node, opens: false, closes: true, either: false, at: length });
  }
}

function output(nodes) {
  const out = [];
  for (const node of nodes) {
    if (node.char) {
      for (const tag of node.closed) out.push({ close: tag });
      if (node.left && !node.virtual) out.push({ text: node.char.repeat(node.left) });
      for (const tag of node.opened) out.push({ open: tag });
    } else if (node.open) {
      out.push({ open: node.open, url: node.url });
    } else if (node.text !== "") {
      out.push(node);
    }
  }
  return out;
}
