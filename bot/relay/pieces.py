"""Cuts what a customer wrote into pieces that a post takes, at paragraphs, lines and words."""

_ESCAPED = frozenset("\\`*_~|>#-[]()<:@+.!")
"""What a door may have to put a sign before, so that it shows as it was typed."""
_CUTS = ("\n\n", "\n", " ")


def pieces(text: str, units: int) -> list[str]:
    """At least one piece, empty only for an empty text; together they are the text but for white space at cuts."""
    found: list[str] = []
    rest = text.strip()
    while _units(rest) > units:
        end = _end(rest, units)
        cuts = (rest.rfind(sign, end // 2, end + 1) for sign in _CUTS)
        end = next((cut for cut in cuts if cut > 0), end)
        found.append(rest[:end].rstrip())
        rest = rest[end:].lstrip()
    return [*found, rest] if rest or not found else found


def _end(text: str, units: int) -> int:
    used = 0
    for number, char in enumerate(text):
        used += _units(char)
        if used > units:
            return max(1, number)
    return len(text)


def _units(text: str) -> int:
    """UTF-16 units, with room for a sign before each that may mean something."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2 + sum(char in _ESCAPED for char in text)
