"""The lines between `---` at the head of a Markdown file: a few known keys with plain text, nothing else of YAML."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, get_args

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    InstanceOf,
    StringConstraints,
    ValidationError,
)

from bot.links import host_of
from bot.policies.findings import Findings, nearest, shown
from bot.policies.nodes import explained
from bot.policies.period import Audience, Moment, Period, Terms, read_moment
from bot.text import clean

_FENCE = "---"
_MAX_CHARS = 8192
_MAX_DEPTH = 8
_UNREADABLE = "\0"
"""Stands for what was complained about already."""


def _is_url(value: str) -> str:
    if not value.startswith(("https://", "http://")) or any(char.isspace() for char in value):
        raise ValueError("must be an address that starts with https://")
    if "." not in (host_of(value) or ""):
        raise ValueError("leads to no host that a customer could open: write it like https://shop.example/returns")
    return value


def _is_plain(value: str) -> str:
    """YAML has ways to write what the file itself may not hold."""
    if clean(value) != unicodedata.normalize("NFC", value) or "\n" in value:
        raise ValueError("holds an invisible control character: type the line again")
    return value


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(_is_plain)]
Url = Annotated[str, AfterValidator(_is_url), StringConstraints(max_length=500)]
When = Annotated[InstanceOf[Moment], BeforeValidator(read_moment)]


class PolicyHead(BaseModel):
    """What a policy says about itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: Text
    language: Text | None = None
    url: Url | None = None
    valid_from: When | None = None
    valid_until: When | None = None
    audience: Audience = "everyone"

    @property
    def terms(self) -> Terms:
        """When it counts, and for whose questions."""
        return Terms(Period(self.valid_from, self.valid_until), self.audience)


class PromptHead(BaseModel):
    """What `system.md` and `staff.md` may say about themselves; the model does not read it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: Text | None = None


Head = TypeVar("Head", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Document:
    """A file cut in two. `body_line` is the number of the body's first line; `lines` are those of the keys.

    `values` is None for a head that could not be read.
    """

    values: Mapping[str, str] | None
    lines: Mapping[str, int]
    body: str
    body_line: int


def split(text: str, findings: Findings) -> Document:
    """Cut the head off a file. A file without one is all body."""
    lines = text.split("\n")
    if lines[0].rstrip() != _FENCE:
        return Document({}, {}, text, 1)
    end = next((number for number, line in enumerate(lines[1:], start=1) if line.rstrip() == _FENCE), None)
    if end is None:
        findings.add(1, "the front matter is never closed.", "Put a line with --- below its last key.")
        return Document(None, {}, "", 1)
    values, keys = _values("\n".join(lines[1:end]) + "\n", findings)
    return Document(values, keys, "\n".join(lines[end + 1 :]), end + 2)


def validated(model: type[Head], document: Document, findings: Findings) -> Head | None:
    """The head as a checked value; None when something in it is wrong."""
    if document.values is None:
        return None
    try:
        return model.model_validate(dict(document.values))
    except ValidationError as exc:
        for error in exc.errors():
            _explain(dict(error), model, document, findings)
        return None


def _explain(error: dict[str, Any], model: type[BaseModel], document: Document, findings: Findings) -> None:
    key = str(error["loc"][0])
    line = document.lines.get(key, 1)
    if error["type"] != "extra_forbidden" and error["input"] == _UNREADABLE:
        return
    known = ", ".join(model.model_fields)
    match error["type"]:
        case "missing":
            findings.add(
                line, f"the front matter has no {key}.", f"Put “{key}: …” between two lines of --- at the top."
            )
        case "extra_forbidden":
            guess = nearest(key, model.model_fields)
            findings.add(line, f"“{shown(key)}” is no key of the front matter.{guess}", f"Known: {known}.")
        case "string_too_short":
            findings.add(line, f"{key} is empty.", "Write it behind the colon.")
        case "string_too_long":
            findings.add(line, f"{key} is longer than {error['ctx']['max_length']} characters.", "Shorten it.")
        case "literal_error":
            allowed = get_args(Audience)
            guess = nearest(str(error["input"]), allowed)
            findings.add(line, f"{key} is “{shown(str(error['input']))}”.{guess}", f"Known: {', '.join(allowed)}.")
        case _:
            reason, _, fix = str(error["msg"]).removeprefix("Value error, ").partition(": ")
            findings.add(line, f"{key} {reason}.", f"{fix[:1].upper()}{fix[1:]}." if fix else "Correct it.")


def _values(head: str, findings: Findings) -> tuple[dict[str, str] | None, dict[str, int]]:
    if len(head) > _MAX_CHARS:
        findings.add(1, f"the front matter is longer than {_MAX_CHARS} characters.", "Move the text below it.")
        return None, {}
    try:
        node = _Loader(head).get_single_node()
    except yaml.MarkedYAMLError as exc:
        line, reason, fix = explained(exc)
        findings.add(max(line, 1) + 1, f"the front matter is no valid YAML: {reason}.", fix)
        return None, {}
    except yaml.reader.ReaderError as exc:
        line = 2 + head.count("\n", 0, exc.position)
        findings.add(line, "the front matter holds a character that YAML does not allow.", "Delete it.")
        return None, {}
    if node is None:
        return {}, {}
    if not isinstance(node, yaml.MappingNode):
        findings.add(2, "the front matter is no list of keys.", "Write one “key: text” on each line.")
        return None, {}
    return _pairs(node, findings)


def _pairs(node: yaml.MappingNode, findings: Findings) -> tuple[dict[str, str], dict[str, int]]:
    """Keys and values as they are written: `no` stays a word and 2024 stays text, nothing is constructed."""
    values: dict[str, str] = {}
    lines: dict[str, int] = {}
    for key, value in node.value:
        line = key.start_mark.line + 2
        if not isinstance(key, yaml.ScalarNode):
            findings.add(line, "a key of the front matter is no plain word.", "Write “key: text”.")
        elif key.value in values:
            findings.add(line, f"“{shown(key.value)}” is there twice.", f"Line {lines[key.value]} has it, too.")
        else:
            if not isinstance(value, yaml.ScalarNode):
                reason = f"“{shown(key.value)}” holds a list or more keys."
                findings.add(line, reason, "Write plain text behind the colon.")
            values[key.value] = value.value if isinstance(value, yaml.ScalarNode) else _UNREADABLE
            lines[key.value] = line
    return values, lines


class _Loader(yaml.SafeLoader):
    """Builds nodes only, without aliases (a few of them can stand for gigabytes) and not deeper than needed."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise yaml.composer.ComposerError(
                None, None, "anchors (&) and aliases (*) are not allowed", event.start_mark
            )
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise yaml.composer.ComposerError(None, None, "it is nested too deeply", event.start_mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node
