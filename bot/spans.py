"""A span of time as people write it in a setting or behind a command: `90m`, `6h`, `2d`."""

import re
from datetime import timedelta

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_MOST = timedelta(days=36_500)


def span_of(text: str) -> timedelta:
    """The span that is meant. Raises `ValueError` with what is expected, in the words of a settings error."""
    match = re.fullmatch(r"([0-9]{1,9})([mhd])", text.strip().lower())
    span = timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else timedelta()
    if not timedelta() < span <= _MOST:
        raise ValueError("must be a number of minutes, hours or days, for example 90m, 6h or 2d")
    return span
