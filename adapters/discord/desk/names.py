"""Names as Discord takes them: of posts, of tags, and of those in whose name something is written."""

import unicodedata

import regex

from bot.text import clean, is_blank, one_line

LONGEST_TITLE = 100
LONGEST_TAG = 20
LONGEST_AUTHOR = 80

# https://docs.discord.com/developers/resources/user#usernames-and-nicknames, and "clyde" by experience.
_FORBIDDEN = regex.compile("(d)(?=iscord)|(c)(?=lyde)|(`)(?=``)", regex.IGNORECASE)
_RESERVED = ("everyone", "here")
_D_STROKE = str.maketrans("đĐ", "dD")
_NOT_IN_FILES = regex.compile(r"[^A-Za-z0-9._-]+")
_WIDE = str.maketrans("@#:", "＠＃：")


def title_of(text: str) -> str:
    """The title of a post: one line that is not empty."""
    title = one_line(clean(text), LONGEST_TITLE).strip()
    return "—" if is_blank(title) else title


def tag_of(text: str) -> str:
    """The name of a tag."""
    return one_line(clean(text), LONGEST_TAG).strip()


def author_of(name: str) -> str:
    """A name for a webhook: what Discord keeps for itself is disguised by a dot."""
    author = one_line(clean(name).translate(_WIDE), LONGEST_AUTHOR // 2).strip()
    if is_blank(author):
        return "—"
    author = _FORBIDDEN.sub(r"\g<0>·", author)
    return f"{author}·" if author.casefold() in _RESERVED else author


def file_of(name: str) -> str:
    """The name of a file in plain letters: Discord drops all others."""
    decomposed = unicodedata.normalize("NFD", one_line(clean(name), LONGEST_AUTHOR).translate(_D_STROKE))
    plain = _NOT_IN_FILES.sub("_", "".join(char for char in decomposed if not unicodedata.combining(char)))
    return plain.strip("_") or "file"
