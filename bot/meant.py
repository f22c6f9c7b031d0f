"""Marks that CommonMark reads otherwise than they are meant: `**Price:**299`, `5*3*2`, `https://shop.example/_a_`.

Where a parser reads the text, stand-ins take their places, which are taken out again of what it found.
"""

import regex

# Punctuation that nobody writes: with it beside two stars they end what is bold, or begin it.
_EDGE = "\u2e4e"
# No characters at all: a parser sees nothing in them.
_STAND_INS = {"*": "\ufdd0", "_": "\ufdd1"}
_BACK = {ord(_EDGE): None, **{ord(stand_in): char for char, stand_in in _STAND_INS.items()}}

_LETTER = r"[^\s\p{P}\p{S}]"
_END = r"[\p{P}\p{S}--[\p{Ps}\p{Pi}]]"
_BEGINNING = r"[\p{P}\p{S}--[\p{Pe}\p{Pf}.,:;!?…%‰。，、！？：；～·)\]}]]"
_ENDS = regex.compile(_END, regex.VERSION1)
_BEGINS = regex.compile(_BEGINNING, regex.VERSION1)
_LETTERS = regex.compile(_LETTER)
_GLUED = regex.compile(rf"{_LETTER}\*\*{_BEGINNING}|{_END}\*\*{_LETTER}", regex.VERSION1)
_STARS = regex.compile(r"\n|\\.|(?<!`)(`++)[^\n]*?(?<!`)\1(?!`)|(?<!\*)\*\*(?!\*)")
_TIMES = regex.compile(r"(?<=[0-9])\*(?=[0-9])")
_INNER = r"[^\s<>\"'`|\[\]\\]"
_ADDRESS = regex.compile(rf"https?://{_INNER}++", regex.IGNORECASE)
_IN_ADDRESS = regex.compile(rf"https?://{_INNER}*+", regex.IGNORECASE)
_GOES_ON = r"[\p{L}\p{N}/=&?#%+-]"
_ADDRESS_MARKS = regex.compile(rf"_++(?={_GOES_ON})|(?<!\*)\*(?={_GOES_ON})")
_GOING_ON = regex.compile(_GOES_ON)
_LONGEST_ADDRESS = 2048
# Nobody who writes for readers has more of them in one text.
_MOST_EDGES = 1_000


def with_stand_ins(source: str) -> str:
    """The text for a parser."""
    if "*" in source:
        source = _TIMES.sub(_STAND_INS["*"], source)
        if _GLUED.search(source) is not None:
            source = _with_edges(source)
    if "://" in source and ("_" in source or "*" in source):
        source = _ADDRESS.sub(lambda address: _ADDRESS_MARKS.sub(_hidden, address[0]), source)
    return source


def without_stand_ins(text: str) -> str:
    """What a parser found, as it was written."""
    return text if text.isascii() else text.translate(_BACK)


def is_words(text: str, start: int, end: int) -> bool:
    """Whether the stars or lines `text[start:end]` are characters: between digits, or in a bare address."""
    after = text[end : end + 1]
    if text[start] == "*" and (end - start > 1 or not start):
        return False
    if text[start] == "*" and "0" <= text[start - 1] <= "9" and "0" <= after <= "9":
        return True
    if _GOING_ON.match(after) is None:
        return False
    scheme = text.rfind("://", max(0, start - _LONGEST_ADDRESS), start)
    begins = max(scheme - 5, text.rfind("http", max(0, scheme - 5), scheme)) if scheme >= 4 else -1
    address = _IN_ADDRESS.match(text, begins, start) if begins >= 0 else None
    return address is not None and address.end() == start


class Bold:
    """Tells of two stars between a letter and punctuation what they are, in a text that goes on."""

    def __init__(self) -> None:
        self._at = 0
        self._is_open = False

    def role(self, text: str, start: int) -> str | None:
        """`begins` or `ends` what is bold if a parser could not see it of the two stars at `start`, else None.
        To be asked from left to right."""
        before, after = text[start - 1 : start], text[start + 2 : start + 3]
        if _LETTERS.match(after) is not None and _ENDS.match(before) is not None:
            return "ends" if self.is_open(text, start) else None
        if _LETTERS.match(before) is not None and _BEGINS.match(after) is not None:
            return None if self.is_open(text, start) else "begins"
        return None

    def is_open(self, text: str, end: int) -> bool:
        """Whether bold words of this line are not at their end yet; what is in code does not count."""
        for match in _STARS.finditer(text, self._at, end):
            if match[0] == "\n":
                self._is_open = False
            elif match[0] == "**":
                before, after = text[match.start() - 1 : match.start()], text[match.end() : match.end() + 1]
                if self._is_open and before.strip():
                    self._is_open = False
                elif after.strip():
                    self._is_open = True
        self._at = max(self._at, end)
        return self._is_open


def _with_edges(source: str) -> str:
    bold, done, at = Bold(), [], 0
    for match in _STARS.finditer(source):
        if match[0] != "**" or (role := bold.role(source, match.start())) is None:
            continue
        edge = match.start() if role == "begins" else match.end()
        done += [source[at:edge], _EDGE]
        at = edge
        if len(done) >= 2 * _MOST_EDGES:
            break
    return "".join([*done, source[at:]])


def _hidden(marks: "regex.Match[str]") -> str:
    return _STAND_INS[marks[0][0]] * len(marks[0])
