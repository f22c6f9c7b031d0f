"""A table as lines of text: aligned if a phone shows it without wrapping, a list otherwise."""

from collections.abc import Iterator, Sequence

from bot.markdown import width

Row = Sequence[str]

WIDEST = 34
"""Columns of a code block that a phone shows in one line."""
_BETWEEN = " — "


def fits(rows: Sequence[Row]) -> bool:
    """Whether the table, aligned, is narrow enough for a phone."""
    return sum(_widths(rows)) + 3 * (len(rows[0]) - 1) <= WIDEST


def aligned(rows: Sequence[Row], sides: Sequence[str]) -> str:
    """Lines of equal width, for a font in which all letters are equally wide."""
    widths = _widths(rows)
    lines = []
    for number, row in enumerate(rows):
        cells = [_padded(*cell) for cell in zip(_words(row), widths, sides, strict=False)]
        lines.append(" | ".join(cells).rstrip())
        if number == 0:
            lines.append("-+-".join("-" * each for each in widths))
    return "\n".join(lines)


def listed(rows: Sequence[Row]) -> Iterator[str]:
    """A line for each row. The cells stay in their order: the words of a table that grows do not move when a
    row makes it too wide."""
    for number, row in enumerate(rows):
        cells = [cell for cell in row if cell]
        if cells:
            yield ("• " if number else "") + _BETWEEN.join(cells)


def _widths(rows: Sequence[Row]) -> list[int]:
    return [max(width(row[column]) for row in rows if column < len(row)) for column in range(len(rows[0]))]


def _words(row: Row) -> Row:
    """A row without the empty cells at its end."""
    while row and not row[-1]:
        row = row[:-1]
    return row


def _padded(cell: str, most: int, side: str) -> str:
    space = most - width(cell)
    left = space if side == "Right" else space // 2 if side == "Center" else 0
    return " " * left + cell + " " * (space - left)
