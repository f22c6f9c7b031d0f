// Splits Markdown into blocks: paragraphs, lists, tables and so on.

import { parseInline } from "./inline.js";

const DEPTH = 10;
// Such a line makes a heading of the words above: they would jump, so that here it only ends them.
const UNDER_WORDS = /^ {0,3}(?:=+|-+)[ \t]*$/;

/** Lines to blocks: {type, source, …}. `source` changes exactly when what the block shows does. */
export function parseBlocks(lines, growing, depth) {
  const blocks = [];
  let end = lines.length;
  while (end > 0 && lines[end - 1].trim() === "") end -= 1;
  let at = 0;
  while (at < end) {
    if (lines[at].trim() === "") {
      at += 1;
      continue;
    }
    const start = at;
    // A paragraph ends above a line with words only where a block begins, and no line there is code by its indent.
    const isBelowWords = at > 0 && lines[at - 1].trim() !== "" && blocks[blocks.length - 1]?.type === "paragraph";
    const block = readBlock(lines, at, end, growing, depth, isBelowWords);
    at = block.next;
    if (!block.type) continue;
    const open = growing && at >= end;
    block.source = `${open ? "+" : "="}${lines.slice(start, at).join("\n")}`;
    blocks.push(block);
  }
  return blocks;
}

function readBlock(lines, at, end, growing, depth, isBelowWords) {
  const line = lines[at];
  const last = growing && at === end - 1;
  if (last && isBareMark(line)) return { next: at + 1 };
  const fence = fenceOf(line);
  if (fence) return readFence(lines, at, end, growing, fence);
  const heading = /^ {0,3}(#{1,6})(?:[ \t]+(.*))?$/s.exec(line);
  if (heading) {
    const words = (heading[2] ?? "").replace(/(?:^|[ \t])#+[ \t]*$/, "").trim();
    return { type: "heading", level: heading[1].length, inline: parseInline(words, last), next: at + 1 };
  }
  if (isRule(line) || (isBelowWords && UNDER_WORDS.test(line))) return { type: "rule", next: at + 1 };
  if (depth === 0 && indentOf(line) >= 4 && !isBelowWords) return readIndented(lines, at, end);
  if (depth < DEPTH) {
    if (/^ {0,3}>/.test(line)) return readQuote(lines, at, end, growing, depth);
    if (markerOf(line)) return readList(lines, at, end, growing, depth);
  }
  if (indentOf(line) >= 4 && !isBelowWords) return readIndented(lines, at, end);
  if (startsTable(lines, at, end, growing)) return readTable(lines, at, end, growing);
  return readParagraph(lines, at, end, growing, depth);
}

/** A line that is nothing but the beginning of something: not worth showing yet. */
function isBareMark(line) {
  return /^\s*(?:[-*+>#|`~=_\\[!<]+|\d{1,9}[.)]?|[-*+>]\s+\[[ xX]?\]?)\s*$/.test(line);
}

function fenceOf(line) {
  const found = /^( {0,3})(`{3,}|~{3,})(.*)$/s.exec(line);
  if (!found || (found[2][0] === "`" && found[3].includes("`"))) return null;
  return { indent: found[1].length, mark: found[2] };
}

function closes(line, fence) {
  const bare = line.trim();
  return bare.length >= fence.mark.length && allAre(bare, fence.mark[0]);
}

function readFence(lines, at, end, growing, fence) {
  const body = [];
  let next = at + 1;
  for (; next < end; next += 1) {
    if (closes(lines[next], fence)) return { type: "code", text: body.join("\n"), next: next + 1 };
    const bare = lines[next].trim();
    if (bare && allAre(bare, fence.mark[0]) && growing && next === end - 1) continue;
    body.push(dedent(lines[next], fence.indent));
  }
  return { type: "code", text: body.join("\n"), next };
}

function readIndented(lines, at, end) {
  const body = [];
  let next = at;
  for (; next < end && (lines[next].trim() === "" || indentOf(lines[next]) >= 4); next += 1) body.push(dedent(lines[next], 4));
  return { type: "code", text: body.join("\n").trimEnd(), next };
}

function isRule(line) {
  const bare = line.replace(/[ \t]/g, "");
  return bare.length >= 3 && "-*_".includes(bare[0]) && allAre(bare, bare[0]) && indentOf(line) < 4;
}

function allAre(text, char) {
  for (const each of text) if (each !== char) return false;
  return true;
}

function readQuote(lines, at, end, growing, depth) {
  // Below the deepest quote that is shown as one all marks go.
  const marks = depth < DEPTH - 1 ? /^ {0,3}> ?/ : /^(?: {0,3}> ?)+/;
  const inner = [];
  let next = at;
  let inFence = false;
  let inTable = false;
  let lazy = false;
  for (; next < end; next += 1) {
    const isMarked = /^ {0,3}>/.test(lines[next]);
    lazy = !isMarked && !inFence && !inTable && isWords(lines[next]) && (lazy || isWords(withoutMarks(inner[inner.length - 1])));
    if (!isMarked && !lazy) break;
    const line = isMarked ? lines[next].replace(marks, "") : asWords(lines[next].trimStart());
    if (fenceOf(line)) inFence = !inFence;
    inTable = line.trim() !== "" && (inTable || isDelimiterRow(line.trim()));
    inner.push(line);
  }
  return { type: "quote", blocks: parseBlocks(inner, growing && next >= end, depth + 1), next };
}

/** Whether a line is nothing but a line of a paragraph: below a quote it goes on with the one in there. */
function isWords(line) {
  return line.trim() !== "" && !startsBlock(line) && !markerOf(line) && !isBareMark(line);
}

/** A line that has left its list or quote goes on with a paragraph, and makes no table or heading of it. */
function asWords(line) {
  return isDelimiterRow(line.trim()) || UNDER_WORDS.test(line) ? line.replace(/[-=]/, "\\$&") : line;
}

function withoutMarks(line) {
  const bare = line.replace(/^(?: {0,3}> ?)+/, "").replace(/^\s*(?:[-*+]|\d{1,9}[.)])\s+/, "");
  return indentOf(bare) < 4 ? bare : "";
}

function markerOf(line) {
  const found = /^([ \t]*)([-*+]|(\d{1,9})[.)])([ \t]+|$)/.exec(line);
  if (!found || isRule(line)) return null;
  const indent = width(found[1]);
  const space = found[4].length > 4 || found[4] === "" ? 1 : width(found[4]);
  return {
    indent,
    content: indent + found[2].length + space,
    ordered: found[3] !== undefined,
    kind: found[2][found[2].length - 1],
    number: found[3] === undefined ? 1 : Number(found[3]),
    rest: line.slice(found[0].length),
  };
}

function readList(lines, at, end, growing, depth) {
  const first = markerOf(lines[at]);
  const items = [];
  const numbers = [];
  let loose = false;
  let next = at;
  while (next < end) {
    const marker = markerOf(lines[next]);
    if (!marker || marker.ordered !== first.ordered || marker.kind !== first.kind) break;
    if (items.length && marker.indent < first.indent - 1) break;
    const inner = [marker.rest.replace(/^\[([ xX])\](?=[ \t])/, (_, mark) => (mark === " " ? "☐" : "☑"))];
    next += 1;
    let blank = false;
    // Only a paragraph goes on with a line that has left its list.
    let fence = fenceOf(inner[0]);
    let isParagraph = !fence && !isRule(inner[0]);
    let inTable = false;
    let inCode = false;
    while (next < end) {
      const line = lines[next];
      if (line.trim() === "") {
        blank = true;
        inner.push("");
        next += 1;
        continue;
      }
      const deep = indentOf(line);
      const isEmpty = inner.length === 1 && inner[0].trim() === "";
      const goesOn = !blank && !isEmpty;
      const belongs = deep >= marker.content || (deep >= marker.indent + 2 && (markerOf(line) || goesOn));
      const continues = goesOn && isParagraph && !markerOf(line) && !startsBlock(line);
      if (!belongs && !continues) break;
      if (blank && !markerOf(line)) loose = true;
      inner.push(belongs ? dedent(line, Math.min(deep, marker.content)) : asWords(line.trimStart()));
      const inFence = fence !== null;
      fence = inFence ? (closes(inner[inner.length - 1], fence) ? null : fence) : fenceOf(inner[inner.length - 1]);
      inCode = belongs && (blank || inCode) && indentOf(inner[inner.length - 1]) >= 4;
      inTable = !blank && (inTable || (belongs && isDelimiterRow(withoutMarks(line.trim()).trim())));
      const last = inner[inner.length - 1];
      const isNoWords = isRule(last) || (belongs && /^ {0,3}(?:=+[ \t]*$|#{1,6}[ \t])/.test(last));
      isParagraph = !inTable && !inCode && !isNoWords && !inFence && !fence;
      blank = false;
      next += 1;
    }
    numbers.push(marker.number);
    items.push(parseBlocks(inner, growing && next >= end, depth + 1));
  }
  const shown = growing && next >= end ? items.filter((item, index) => item.length || index < items.length - 1) : items;
  return { type: shown.length ? "list" : "", ordered: first.ordered, start: first.number, items: shown, numbers, loose, next };
}

function startsBlock(line) {
  return fenceOf(line) || isRule(line) || /^ {0,3}(?:>|#{1,6}(?:[ \t]|$))/.test(line);
}

function startsTable(lines, at, end, growing) {
  const line = lines[at].trim();
  if (!line.includes("|") || line === "|") return false;
  const next = at + 1 < end ? lines[at + 1].trim() : null;
  const count = cells(line).length;
  // Fewer dashes than columns are a slip; but a single one is not meant for many.
  const isRuled = next !== null && isDelimiterRow(next) && (count === 1 || cells(next).length > 1);
  if (isRuled || (next !== null && isBrokenDelimiterRow(next, count))) return true;
  // While it grows, a row that begins with a bar is going to be a table's head.
  return growing && /^\|(?!\|)/.test(line) && (next === null || (at + 2 >= end && /^[|:\- \t]+$/.test(next)));
}

function isDelimiterRow(line) {
  return line.includes("-") && line.includes("|") && cells(line).every((cell) => /^:?-+:?$/.test(cell));
}

/** A row of dashes with a slip in it is one if it has as many cells as the head. */
function isBrokenDelimiterRow(line, count) {
  const found = /^[-:|\s]+$/.test(line) && line.includes("|") ? cells(line) : [];
  return found.length === count && found.every((cell) => cell.includes("-"));
}

function readTable(lines, at, end, growing) {
  const head = cells(lines[at]);
  const rule = at + 1 < end ? cells(lines[at + 1]) : [];
  const columns = Math.max(head.length, rule.length);
  const align = rule.map((cell) => (cell.endsWith(":") ? (cell.startsWith(":") ? "center" : "right") : ""));
  const rows = [];
  let next = Math.min(at + 2, end);
  const isRow = (line) => !["", "|"].includes(line.trim()) && !startsBlock(line) && !markerOf(line);
  for (; next < end && isRow(lines[next]); next += 1) rows.push(cells(lines[next]));
  const open = growing && next >= end;
  // Each row as long as it is: filling up would make a hostile table of 60,000 characters 900 million cells.
  const inline = (row, index) => {
    const last = open && index === rows.length - 1;
    const shown = row.slice(0, columns).map((cell, column) => parseInline(cell, last && column === row.length - 1));
    // What has no column stays in the last one, as it stands.
    if (row.length > columns) shown[columns - 1].push({ text: ` | ${row.slice(columns).join(" | ")}` });
    return shown;
  };
  return { type: "table", align, head: inline(head, rows.length ? -2 : -1), rows: rows.map(inline), next };
}

function cells(line) {
  const found = [];
  let cell = "";
  const bare = line.trim();
  for (let at = bare.startsWith("|") ? 1 : 0; at < bare.length; at += 1) {
    if (bare[at] === "\\" && bare[at + 1] === "|") {
      cell += "|";
      at += 1;
    } else if (bare[at] === "|") {
      found.push(cell.trim());
      cell = "";
    } else {
      cell += bare[at];
    }
  }
  if (cell.trim() || !found.length) found.push(cell.trim());
  return found;
}

function readParagraph(lines, at, end, growing, depth) {
  let next = at + 1;
  while (next < end) {
    const line = lines[next];
    if (line.trim() === "" || startsBlock(line)) break;
    if (depth < DEPTH && indentOf(line) < 4 && interrupts(markerOf(line))) break;
    if (line.trim().startsWith("|") && startsTable(lines, next, end, growing)) break;
    if ((growing && next === end - 1 && isBareMark(line)) || UNDER_WORDS.test(line)) break;
    next += 1;
  }
  const text = lines.slice(at, next).map((line) => line.trim()).join("\n");
  const open = growing && next >= end;
  if (next < end && lines[next].includes("=") && UNDER_WORDS.test(lines[next])) next += 1;
  return { type: "paragraph", inline: parseInline(text, open), next };
}

/** Of the lists only some end a paragraph: a number at the beginning of a line may belong to the words. */
function interrupts(marker) {
  return marker && marker.rest.trim() !== "" && (!marker.ordered || marker.number === 1);
}

function width(space) {
  let columns = 0;
  for (const char of space) columns += char === "\t" ? 4 - (columns % 4) : 1;
  return columns;
}

function indentOf(line) {
  return width(/^[ \t]*/.exec(line)[0]);
}

function dedent(line, columns) {
  let at = 0;
  for (let left = columns; left > 0 && at < line.length && (line[at] === " " || line[at] === "\t"); at += 1) {
    left -= line[at] === "\t" ? 4 : 1;
  }
  return line.slice(at);
}
