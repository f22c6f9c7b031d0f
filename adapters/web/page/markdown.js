// Shows a model's Markdown as DOM nodes. Text only ever becomes a text node: markup in it stays text.
//
// The text may be cut off anywhere. With `growing` its unfinished end is shown as what it is going to be
// (`**bo` is bold already) or not at all (`[text](htt` is `text`). Everything is linear in the text's length.

import { parseBlocks } from "./blocks.js";
import { isLink } from "./links.js";

const DEPTH = 10;

/**
 * Show `text` in `target`. Called again with more text it only touches the blocks that changed. An address that
 * `mayLink` does not allow is shown as text.
 */
export function show(target, text, growing = false, mayLink = isLink) {
  const blocks = parseBlocks(text.split(/\r\n?|\n/), growing, 0);
  const shown = target.shownBlocks ?? [];
  let same = 0;
  while (same < shown.length && same < blocks.length && shown[same] === blocks[same].source) same += 1;
  while (target.childNodes.length > same) target.removeChild(target.childNodes[target.childNodes.length - 1]);
  for (const block of blocks.slice(same)) target.appendChild(build(block, mayLink));
  target.shownBlocks = blocks.map((block) => block.source);
}

/** The text as it is read aloud: without its marks. */
export function plain(text) {
  const target = document.createElement("div");
  show(target, text);
  return target.textContent;
}

function build(block, mayLink) {
  switch (block.type) {
    case "heading":
      return fill(element(`h${Math.min(6, block.level + 2)}`), block.inline, mayLink);
    case "rule":
      return element("hr");
    case "code": {
      const pre = element("pre");
      pre.tabIndex = 0;
      const code = element("code");
      code.appendChild(document.createTextNode(block.text));
      pre.appendChild(code);
      return pre;
    }
    case "quote":
      return buildAll(element("blockquote"), block.blocks, mayLink);
    case "list":
      return buildList(block, mayLink);
    case "table":
      return buildTable(block, mayLink);
    default:
      return fill(element("p"), block.inline, mayLink);
  }
}

function buildAll(parent, blocks, mayLink) {
  for (const block of blocks) parent.appendChild(build(block, mayLink));
  return parent;
}

function buildList(block, mayLink) {
  const list = element(block.ordered ? "ol" : "ul");
  if (block.ordered && block.start !== 1) list.setAttribute("start", String(block.start));
  // Years stand where numbers of one or two digits leave no room.
  if (block.ordered && block.numbers.some((number) => number > 99)) list.className = "wide";
  // A list counts; only what has another number than that says so.
  let counted = block.start;
  for (const [index, blocks] of block.items.entries()) {
    const item = element("li");
    const written = block.numbers[index];
    if (block.ordered && written !== counted && written !== block.start) {
      item.setAttribute("value", String(written));
      counted = written;
    }
    counted += 1;
    for (const inner of blocks) {
      if (inner.type === "paragraph" && !block.loose) fill(item, inner.inline, mayLink);
      else item.appendChild(build(inner, mayLink));
    }
    list.appendChild(item);
  }
  return list;
}

function buildTable(block, mayLink) {
  const wrap = element("div");
  wrap.className = "table";
  wrap.tabIndex = 0;
  const table = element("table");
  const head = element("thead");
  head.appendChild(buildRow("th", block.head, block.align, mayLink));
  const body = element("tbody");
  for (const row of block.rows) body.appendChild(buildRow("td", row, block.align, mayLink));
  table.appendChild(head);
  if (block.rows.length) table.appendChild(body);
  wrap.appendChild(table);
  return wrap;
}

function buildRow(tag, row, align, mayLink) {
  const line = element("tr");
  row.forEach((inline, column) => {
    const cell = element(tag);
    if (align[column]) cell.className = align[column];
    line.appendChild(fill(cell, inline, mayLink));
  });
  return line;
}

/** Put inline pieces into a node. What is nested too deep loses its form and keeps its text. */
function fill(parent, inline, mayLink) {
  const stack = [parent];
  let skipped = 0;
  let address = "";
  let words = "";
  for (const piece of inline) {
    const top = stack[stack.length - 1];
    if (piece.open) {
      if (stack.length > DEPTH || skipped) {
        skipped += 1;
        continue;
      }
      if (piece.open === "a" && !mayLink(piece.url)) {
        // Its words stay, and behind them its address.
        address = piece.url;
        words = "";
        continue;
      }
      const node = piece.open === "a" ? link(piece.url) : element(piece.open);
      top.appendChild(node);
      stack.push(node);
    } else if (piece.close === "a" && address) {
      if (!words.includes(address)) top.appendChild(document.createTextNode(` (${address})`));
      address = "";
    } else if (piece.close) {
      if (skipped) skipped -= 1;
      else if (stack.length > 1) stack.pop();
    } else if (piece.br) {
      top.appendChild(element("br"));
    } else if (piece.code !== undefined) {
      const code = element("code");
      code.appendChild(document.createTextNode(piece.code));
      top.appendChild(code);
    } else {
      top.appendChild(document.createTextNode(piece.text));
    }
    words += piece.code ?? piece.text ?? "";
  }
  return parent;
}

/** A link that leaves nothing of ours behind. `url` has been checked. */
export function link(url) {
  const node = element("a");
  node.setAttribute("href", url);
  node.setAttribute("title", url);
  node.setAttribute("target", "_blank");
  node.setAttribute("rel", "noopener noreferrer nofollow");
  return node;
}

function element(tag) {
  return document.createElement(tag);
}
