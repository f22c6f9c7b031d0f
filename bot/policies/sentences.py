"""Every sentence that the program says by itself: which there are, and whether a file of them will do."""

import string
import tomllib
import unicodedata
from collections.abc import Mapping

import regex

from bot.policies.findings import Findings, nearest, shown
from bot.text import clean, is_blank

MAX_CHARS = 1500
MAX_DESCRIPTION_CHARS = 100
"""Discord's limit for the description of a command."""

_MAX_KEYS = 200
# Key → its placeholders. `{shop}`, the shop's name, may stand in all but `shop_name` itself.
SENTENCES: Mapping[str, tuple[str, ...]] = {
    "shop_name": (),
    "greeting": (),
    "help": (),
    "new_conversation": (),
    "stopped": (),
    "nothing_to_stop": (),
    "wait": (),
    "model_down": (),
    "refused": (),
    "truncated": (),
    "overloaded": (),
    "delayed": (),
    "late": (),
    "late_person": (),
    "handed_over": (),
    "staff_answer_within": ("span",),
    "staff_back": ("moment",),
    "staff_away": (),
    "while_waiting": (),
    "no_person": (),
    "model_down_person": (),
    "passed_on": (),
    "still_waiting": (),
    "with_person": (),
    "staff_role": (),
    "taken_by": ("name",),
    "taken_over": (),
    "resolved": (),
    "back_to_bot": (),
    "blocked": (),
    "file_too_large": ("limit",),
    "file_lost": (),
    "over_budget": (),
    "over_budget_staff": (),
    "offline_notice": (),
    "offline_nothing": (),
    "small_talk": (),
    "fallback_notice": (),
    "fallback_nothing": (),
    "empty": (),
    "too_long": ("limit",),
    "photo_failed": (),
    "unsupported_voice": (),
    "unsupported_audio": (),
    "unsupported_video": (),
    "unsupported_sticker": (),
    "unsupported_location": (),
    "unsupported_contact": (),
    "unsupported_file": (),
    "unsupported_other": (),
    "staff_only": (),
    "source_label": (),
    "sources_label": (),
    "not_taken": (),
    "command_start": (),
    "command_new": (),
    "command_stop": (),
    "command_help": (),
    "command_human": (),
    "command_ask": (),
    "command_ask_question": (),
    "desk_tag_waiting": (),
    "desk_tag_human": (),
    "desk_tag_resolved": (),
    "desk_tag_snoozed": (),
    "desk_tag_blocked": (),
    "desk_button_take": (),
    "desk_button_release": (),
    "desk_button_resolve": (),
    "desk_button_reopen": (),
    "desk_button_assign": (),
    "desk_button_transfer": (),
    "desk_button_snooze": (),
    "desk_button_close_later": (),
    "desk_button_block": (),
    "desk_button_unblock": (),
    "desk_button_note": (),
    "desk_button_draft": (),
    "desk_button_draft_send": (),
    "desk_button_draft_edit": (),
    "desk_button_draft_discard": (),
    "desk_button_translate": (),
    "desk_form_snooze": (),
    "desk_form_close_later": (),
    "desk_form_note": (),
    "desk_whom": (),
    "desk_no_staff": (),
    "desk_not_here": (),
    "desk_struck": (),
    "person_button": (),
    "command_desk_take": (),
    "command_desk_release": (),
    "command_desk_resolve": (),
    "command_desk_reopen": (),
    "command_desk_block": (),
    "command_desk_unblock": (),
    "command_desk_history": (),
    "command_desk_who": (),
    "command_desk_assign": (),
    "command_desk_transfer": (),
    "command_desk_snooze": (),
    "command_desk_close": (),
    "command_desk_snippet": (),
    "command_desk_tag": (),
    "command_desk_note": (),
    "command_desk_reply": (),
    "command_desk_person": (),
    "command_desk_when": (),
    "command_desk_words": (),
    "command_desk_choice": (),
}
# One `key = "text"`, with any of TOML's four kinds of string: nothing else may stand in these files, which
# also keeps dotted keys and nested tables, slow to read by the thousand, away from the TOML reader.
_ENTRY = regex.compile(
    r"[ \t]*([A-Za-z0-9_-]+)[ \t]*=[ \t]*"
    r'(?:"""(?:\\.|(?!""").)*+"{3,5}|\'\'\'(?:(?!\'\'\').)*+\'{3,5}|"(?:\\[^\n]|[^"\\\n])*+"|\'[^\'\n]*+\')'
    r"[ \t]*(?:#[^\n]*+)?(?:\n|\Z)",
    regex.DOTALL,
)
_NOTHING = regex.compile(r"[ \t]*(?:#[^\n]*+)?(?:\n|\Z)")
_LINE = regex.compile(r"[^\n]*+(?:\n|\Z)")
_TOML_LINE = regex.compile(r" \(at line (\d+), column \d+\)| \(at end of document\)")


def read_sentences(text: str, findings: Findings) -> dict[str, str]:
    """The sentences of one language, checked."""
    lines = _lines_of_keys(text, findings)
    if findings.problems:
        return {}
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        place = _TOML_LINE.search(str(exc))
        line = int(place[1]) if place and place[1] else text.count("\n") + 1
        reason = _TOML_LINE.sub("", str(exc))
        findings.add(line, f"this is no valid TOML: {reason[:1].lower()}{reason[1:]}.", "Correct this line.")
        return {}
    for key, sentence in table.items():
        _check(key, sentence, lines.get(key, 0), findings)
    for key in [key for key in SENTENCES if key not in table]:
        findings.add(0, f"the sentence “{key}” is missing.", f'Add a line {key} = "…".')
    return table


def _lines_of_keys(text: str, findings: Findings) -> dict[str, int]:
    found: dict[str, int] = {}
    position, line = 0, 1
    while position < len(text):
        match = _ENTRY.match(text, position)
        if match:
            key = match[1]
            if key in found:
                findings.add(line, f"“{shown(key)}” is there twice.", f"Line {found[key]} has it, too.")
            found.setdefault(key, line)
            if len(found) > _MAX_KEYS:
                findings.add(line, f"there are more than {_MAX_KEYS} sentences.", "Keep those that the program has.")
                break
        elif not (match := _NOTHING.match(text, position)):
            findings.add(line, "this is no sentence.", 'Write key = "text" on one line, or put longer text in """.')
            match = _LINE.match(text, position)
            if match is None or '"""' in match[0] or "'''" in match[0]:
                break  # a longer text that does not end: what follows may be its lines
        line += text.count("\n", position, match.end())
        position = match.end()
    return found


def _check(key: str, sentence: str, line: int, findings: Findings) -> None:
    if key not in SENTENCES:
        findings.add(line, f"the program has no sentence “{shown(key)}”.{nearest(key, SENTENCES)}", "Delete it.")
        return
    if is_blank(sentence):
        findings.add(line, f"“{key}” is empty.", "Write the sentence between the quotes.")
    if clean(sentence) != unicodedata.normalize("NFC", sentence):
        findings.add(line, f"“{key}” holds an invisible control character.", "Type the sentence again.")
    limit = MAX_DESCRIPTION_CHARS if key.startswith("command_") else MAX_CHARS
    if len(sentence) > limit:
        findings.add(line, f"“{key}” is longer than {limit} characters.", "Shorten it.")
    allowed = SENTENCES[key] if key == "shop_name" else ("shop", *SENTENCES[key])
    try:
        fields = list(string.Formatter().parse(sentence))
    except ValueError:
        findings.add(line, f"“{key}” has a single brace.", "Write {{ and }} for braces that are to be seen.")
        return
    for _, name, form, conversion in fields:
        if name in allowed and (form or conversion):
            findings.add(line, f"“{key}” has more than a name in the braces of {{{name}}}.", "Delete the rest.")
        elif name is not None and name not in allowed:
            known = ", ".join(f"{{{one}}}" for one in allowed) or "none"
            reason = f"“{key}” has no placeholder {{{shown(name)}}}.{nearest(name, allowed)}"
            findings.add(line, reason, f"Known here: {known}.")
