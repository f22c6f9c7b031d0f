"""Buttons, menus and forms on the loopback Discord: which are taken, and which are refused and how.

Source: docs.discord.com/developers/components/reference.
"""

from collections.abc import Iterator
from typing import Any

from tests.servers.discord.emoji import is_emoji
from tests.servers.discord.state import invalid_form
from tests.servers.discord.wire import text_of
from tests.servers.discord.world import Payload

ROW, BUTTON, STRING_SELECT, TEXT_INPUT, USER_SELECT = 1, 2, 3, 4, 5
SECTION, TEXT_DISPLAY, THUMBNAIL, GALLERY, FILE, SEPARATOR, CONTAINER, LABEL = 9, 10, 11, 12, 13, 14, 17, 18
SELECTS = (3, 5, 6, 7, 8)
LINK, PREMIUM = 5, 6
MOST_ROWS = MOST_IN_ROW = MOST_IN_MODAL = 5
MOST_COMPONENTS = 40
MOST_TEXT = 4000


def walk(components: list[Payload]) -> Iterator[Payload]:
    """All components with those inside them."""
    for one in components:
        yield one
        yield from walk(one.get("components") or [])
        yield from walk([one[name] for name in ("accessory", "component") if name in one])


def components_of(body: Payload, *, v2: bool) -> list[Payload]:
    """The components of a message, each with a number as Discord gives it."""
    given = _listed(body.get("components") or [], "components")
    if v2:
        for place, one in enumerate(given):
            _block(one, f"components.{place}", (ROW, SECTION, TEXT_DISPLAY, GALLERY, FILE, SEPARATOR, CONTAINER))
        _check_whole(given)
    else:
        if len(given) > MOST_ROWS:
            raise invalid_form("components", "BASE_TYPE_BAD_LENGTH", f"Must be between 1 and {MOST_ROWS} in length.")
        for place, one in enumerate(given):
            _of_kind(one, (ROW,), f"components.{place}")
            _row(one, f"components.{place}")
    _check_ids(given)
    return _numbered(given)


def modal_of(data: Payload) -> Payload:
    """A form, checked: its title, its name and its one to five questions."""
    title, custom_id = text_of(data, "title", 45, where="data"), text_of(data, "custom_id", 100, where="data")
    given = _listed(data.get("components"), "data.components")
    if not 1 <= len(given) <= MOST_IN_MODAL:
        words = f"Must be between 1 and {MOST_IN_MODAL} in length."
        raise invalid_form("data.components", "BASE_TYPE_BAD_LENGTH", words)
    for place, one in enumerate(given):
        where = f"data.components.{place}"
        kind = _of_kind(one, (ROW, TEXT_DISPLAY, LABEL), where)
        if kind == ROW:
            inner = _listed(one.get("components"), where)
            if len(inner) != 1:
                raise invalid_form(where, "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 1 in length.")
            _of_kind(inner[0], (TEXT_INPUT,), where)
            text_of(inner[0], "label", 45, where=where)
            _text_input(inner[0], where)
        elif kind == LABEL:
            _label(one, where)
        else:
            text_of(one, "content", MOST_TEXT, where=where)
    _check_ids(given)
    return {"title": title, "custom_id": custom_id, "components": _numbered(given)}


def _label(one: Payload, where: str) -> None:
    text_of(one, "label", 45, where=where)
    if one.get("description") is not None:
        text_of(one, "description", 100, where=where)
    inner = one.get("component")
    kind = _of_kind(inner, (TEXT_INPUT, *SELECTS), f"{where}.component")
    assert isinstance(inner, dict)
    if kind == TEXT_INPUT:
        _text_input(inner, f"{where}.component")
    else:
        _select(inner, f"{where}.component")


def _text_input(one: Payload, where: str) -> None:
    text_of(one, "custom_id", 100, where=where)
    if one.get("style") not in (1, 2):
        raise invalid_form(f"{where}.style", "BASE_TYPE_CHOICES", "Value must be one of (1, 2).")
    for name, longest in (("value", MOST_TEXT), ("placeholder", 100)):
        if one.get(name) is not None:
            text_of(one, name, longest, shortest=0, where=where)
    for name, lowest in (("min_length", 0), ("max_length", 1)):
        if not lowest <= int(one.get(name) or lowest) <= MOST_TEXT:
            raise invalid_form(f"{where}.{name}", "NUMBER_TYPE_MAX", f"int value should be at most {MOST_TEXT}.")


def _row(one: Payload, where: str) -> None:
    inner = _listed(one.get("components"), where)
    kinds = [_of_kind(child, (BUTTON, *SELECTS), f"{where}.components.{place}") for place, child in enumerate(inner)]
    if not 1 <= len(inner) <= (MOST_IN_ROW if BUTTON in kinds or not kinds else 1) or len(set(kinds)) > 1:
        words = "The specified component exceeds the maximum width"
        raise invalid_form(f"{where}.components", "COMPONENT_LAYOUT_WIDTH_EXCEEDED", words)
    for place, child in enumerate(inner):
        (_button if child["type"] == BUTTON else _select)(child, f"{where}.components.{place}")


def _button(one: Payload, where: str) -> None:
    style = one.get("style")
    if style not in (1, 2, 3, 4, LINK, PREMIUM):
        raise invalid_form(f"{where}.style", "BASE_TYPE_CHOICES", "Value must be one of {1, 2, 3, 4, 5, 6}.")
    if one.get("label") is None and one.get("emoji") is None and style != PREMIUM:
        raise invalid_form(where, "BUTTON_COMPONENT_INVALID", "A button must have a label or an emoji")
    if one.get("label") is not None:
        text_of(one, "label", 80, where=where)
    _emoji(one.get("emoji"), f"{where}.emoji")
    if style == LINK:
        if "custom_id" in one:
            kind, words = "CUSTOM_ID_URL_MUTUALLY_EXCLUSIVE", "A custom id and url cannot both be specified"
            raise invalid_form(f"{where}.custom_id", f"BUTTON_COMPONENT_{kind}", words)
        if not text_of(one, "url", 512, where=where).startswith(("http://", "https://", "discord://")):
            raise invalid_form(f"{where}.url", "URL_TYPE_INVALID_SCHEME", "Scheme must be http, https or discord.")
    elif style != PREMIUM:
        text_of(one, "custom_id", 100, where=where)


def _select(one: Payload, where: str) -> None:
    text_of(one, "custom_id", 100, where=where)
    if one.get("placeholder") is not None:
        text_of(one, "placeholder", 150, shortest=0, where=where)
    least, most = int(one.get("min_values", 1)), int(one.get("max_values", 1))
    if not (0 <= least <= 25 and 1 <= most <= 25 and least <= most):
        raise invalid_form(f"{where}.max_values", "NUMBER_TYPE_MAX", "int value should be less than or equal to 25.")
    if one["type"] != STRING_SELECT:
        return
    options = _listed(one.get("options"), f"{where}.options")
    if not 1 <= len(options) <= 25:
        raise invalid_form(f"{where}.options", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 25 in length.")
    for place, option in enumerate(options):
        inside = f"{where}.options.{place}"
        text_of(option, "label", 100, where=inside)
        text_of(option, "value", 100, where=inside)
        if option.get("description") is not None:
            text_of(option, "description", 100, where=inside)
        _emoji(option.get("emoji"), f"{inside}.emoji")
    if len({option["value"] for option in options}) < len(options):
        words = "The specified option value is already used"
        raise invalid_form(f"{where}.options", "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED", words)


def _emoji(given: Any, where: str) -> None:
    if given is None or (isinstance(given, dict) and (given.get("id") or is_emoji(str(given.get("name"))))):
        return
    raise invalid_form(where, "BUTTON_COMPONENT_INVALID_EMOJI", "Invalid emoji")


def _block(one: Payload, where: str, allowed: tuple[int, ...]) -> None:
    kind = _of_kind(one, allowed, where)
    if kind == ROW:
        _row(one, where)
    elif kind == TEXT_DISPLAY:
        text_of(one, "content", MOST_TEXT, where=where)
    elif kind == CONTAINER:
        inner = _listed(one.get("components"), where)
        if not inner:
            raise invalid_form(f"{where}.components", "BASE_TYPE_REQUIRED", "This field is required")
        for place, child in enumerate(inner):
            _block(child, f"{where}.components.{place}", (ROW, SECTION, TEXT_DISPLAY, GALLERY, FILE, SEPARATOR))
    elif kind == SECTION:
        inner = _listed(one.get("components"), where)
        if not 1 <= len(inner) <= 3:
            raise invalid_form(f"{where}.components", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 3 in length.")
        for place, child in enumerate(inner):
            _block(child, f"{where}.components.{place}", (TEXT_DISPLAY,))
        accessory = one.get("accessory")
        if _of_kind(accessory, (BUTTON, THUMBNAIL), f"{where}.accessory") == BUTTON:
            _button(one["accessory"], f"{where}.accessory")
    elif kind == GALLERY and not 1 <= len(_listed(one.get("items"), where)) <= 10:
        raise invalid_form(f"{where}.items", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 10 in length.")
    elif kind == FILE and not isinstance(one.get("file"), dict):
        raise invalid_form(f"{where}.file", "BASE_TYPE_REQUIRED", "This field is required")


def _check_whole(given: list[Payload]) -> None:
    everything = list(walk(given))
    if len(everything) > MOST_COMPONENTS:
        raise invalid_form("components", "COMPONENT_MAX_TOTAL_COMPONENTS_EXCEEDED", f"The maximum is {MOST_COMPONENTS}")
    if sum(len(one["content"]) for one in everything if one["type"] == TEXT_DISPLAY) > MOST_TEXT:
        raise invalid_form("components", "COMPONENT_DISPLAYABLE_TEXT_SIZE_EXCEEDED", f"The maximum is {MOST_TEXT}")


def _check_ids(given: list[Payload]) -> None:
    ids = [one["custom_id"] for one in walk(given) if "custom_id" in one]
    for custom_id in ids:
        if ids.count(custom_id) > 1:
            words = "Component custom id cannot be duplicated"
            raise invalid_form("components", "COMPONENT_CUSTOM_ID_DUPLICATED", words)


def _numbered(given: list[Payload]) -> list[Payload]:
    taken = {one["id"] for one in walk(given) if one.get("id")}
    count = 0
    for one in walk(given):
        if not one.get("id"):
            count += 1
            while count in taken:
                count += 1
            one["id"] = count
    return given


def _listed(given: Any, where: str) -> list[Payload]:
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise invalid_form(where, "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType")
    return given


def _of_kind(one: Any, allowed: tuple[int, ...], where: str) -> int:
    kind = one.get("type") if isinstance(one, dict) else None
    if kind not in allowed or not isinstance(kind, int):
        words = f'Value of field "type" must be one of {allowed}.'
        raise invalid_form(where, "UNION_TYPE_CHOICES", words)
    return kind


def require_interactive(components: list[Payload], custom_id: str) -> Payload:
    """The button or menu with this name; raises `LookupError` when a person could not use it."""
    for one in walk(components):
        if one.get("custom_id") == custom_id:
            if one.get("disabled"):
                raise LookupError(f"{custom_id} is disabled")
            return one
    raise LookupError(f"there is no {custom_id} in the message")
