// Characters that HTML has names for: those that people write in texts, and the others as the browser knows them.

const NAMES = {
  __proto__: null,
  amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0", copy: "©", reg: "®", trade: "™", hellip: "…",
  ndash: "–", mdash: "—", lsquo: "‘", rsquo: "’", ldquo: "“", rdquo: "”", laquo: "«", raquo: "»", bull: "•",
  middot: "·", times: "×", divide: "÷", deg: "°", euro: "€", pound: "£", yen: "¥", cent: "¢", para: "¶", sect: "§",
  plusmn: "±", le: "≤", ge: "≥", ne: "≠", asymp: "≈", frac12: "½", frac14: "¼", frac34: "¾", semi: ";", sup2: "²", sup3: "³",
  larr: "←", rarr: "→", uarr: "↑", darr: "↓", hearts: "♥", check: "✓", infin: "∞", micro: "µ",
};
// Those of U+00C0 to U+00FF, in order.
const LETTERS = `
  Agrave Aacute Acirc Atilde Auml Aring AElig Ccedil Egrave Eacute Ecirc Euml Igrave Iacute Icirc Iuml ETH
  Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash Ugrave Uacute Ucirc Uuml Yacute THORN szlig agrave aacute
  acirc atilde auml aring aelig ccedil egrave eacute ecirc euml igrave iacute icirc iuml eth ntilde ograve
  oacute ocirc otilde ouml divide oslash ugrave uacute ucirc uuml yacute thorn yuml
`.trim().split(/\s+/);
LETTERS.forEach((name, index) => (NAMES[name] = String.fromCharCode(0xc0 + index)));
const ENTITY = /&(?:#[xX]([0-9a-fA-F]{1,6})|#(\d{1,7})|([A-Za-z][A-Za-z0-9]{1,31}));/y;
let decoder;

/** The entity at a place of a text: its character and where it ends; null if there is none. */
export function entityAt(text, at) {
  ENTITY.lastIndex = at;
  const found = ENTITY.exec(text);
  if (!found) return null;
  const char = found[3] !== undefined ? ofName(found[3]) : ofNumber(found[1] ? parseInt(found[1], 16) : Number(found[2]));
  return char === undefined ? null : { char, end: ENTITY.lastIndex };
}

/** What a name stands for. In a text area nothing but entities is markup, and this one is not on the page. */
function ofName(name) {
  if (name in NAMES) return NAMES[name];
  decoder ??= document.createElement("textarea");
  decoder.innerHTML = `&${name};`;
  const { value } = decoder;
  // HTML takes the beginning of a longer name for one of its oldest: then the end of the name is left.
  if (!value || value.endsWith(";")) return undefined;
  NAMES[name] = visible(value);
  return NAMES[name];
}

function ofNumber(number) {
  const known = number > 0 && number <= 0x10ffff && !(number >= 0xd800 && number <= 0xdfff);
  return visible(known ? String.fromCodePoint(number) : "\ufffd");
}

/** What is stripped from every other text does not come in by its number or name either. */
function visible(char) {
  return /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/.test(char) ? "" : char;
}
