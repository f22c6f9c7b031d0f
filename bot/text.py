"""What every text goes through at the doors, and how lengths are counted."""

import unicodedata

import regex

# Bidirectional controls can make a text read as another one; tag characters hide a text altogether.
# U+0080 to U+009F steer terminals (U+009B begins an escape sequence).
# ZWJ, ZWNJ and variation selectors stay: emoji and several scripts need them.
_STRIPPED = regex.compile(
    "[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff"
    "\U000e0000-\U000e007f]"
)
_SURROGATE = regex.compile("[\ud800-\udfff]")
_SOMETHING = regex.compile(r"[^\s\p{M}\p{C}\p{Z}\p{Default_Ignorable_Code_Point}\u2800]")
_D_STROKE = str.maketrans("đĐ", "dD")
# Unicode's stream-safe text holds no more marks in a row; NFC of a long run takes quadratic time.
_MOST_MARKS = 30
_TOO_MANY_MARKS = regex.compile(rf"(\p{{M}}{{{_MOST_MARKS}}})\p{{M}}+")
_SHORTEST_QUOTE = 12
_LAST_MARKS = regex.compile(r"\p{M}*\Z")
# Latin letters and what stands between them: neither marks nor anything that is stripped.
_PLAIN = regex.compile("[\t\n\r -~\u00a0-\u02ff\u1e00-\u1eff]+")


def clean(text: str) -> str:
    """A text from outside as we keep it: NFC, one kind of line end, no control, bidi or tag characters.

    Of combining marks in a row the first 30 are kept.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = _STRIPPED.sub("", _SURROGATE.sub("\ufffd", text))
    return unicodedata.normalize("NFC", _TOO_MANY_MARKS.sub(r"\1", text))


class Cleaner:
    """Does to a text that comes in pieces what `clean` does to a whole one, but for its form and line ends."""

    def __init__(self) -> None:
        self._marks = ""

    def feed(self, piece: str) -> str:
        """What is kept of the next piece."""
        if _PLAIN.fullmatch(piece) is not None:  # nearly every delta of an answer
            self._marks = ""
            return piece
        before = len(self._marks)
        text = _TOO_MANY_MARKS.sub(r"\1", self._marks + _STRIPPED.sub("", piece))
        found = _LAST_MARKS.search(text[-_MOST_MARKS:])
        self._marks = found[0] if found else ""
        return text[before:]


def is_blank(text: str) -> bool:
    """Whether nothing in the text can be seen: white space, lone combining marks, invisible characters."""
    return _SOMETHING.search(text) is None


def fold(text: str) -> str:
    """Lower case without marks, `đ` included (Unicode does not decompose it): `Đổi trả` → `doi tra`."""
    decomposed = unicodedata.normalize("NFD", text.casefold().translate(_D_STROKE))
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def utf16_units(text: str) -> int:
    """Length in UTF-16 code units, the unit in which Telegram counts."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def estimate_tokens(text: str) -> int:
    """A safe guess at a model's tokens for a text: Vietnamese takes about three bytes of UTF-8 a token."""
    return len(text.encode()) // 3 + 4


def one_line(text: str, limit: int = 64) -> str:
    """A name or title for display: one line, at most `limit` characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def loggable(complaint: str, words: str) -> str:
    """An error as the log may have it: some endpoints repeat in it what was asked, and no text is logged."""
    runs = (complaint[start : start + _SHORTEST_QUOTE] for start in range(len(complaint) - _SHORTEST_QUOTE + 1))
    lines = (line.strip() for line in words.splitlines())
    if any(run in words for run in runs) or any(len(line) > 3 and line in complaint for line in lines):
        return "(its reason quotes the message)"
    return complaint
