"""Reads the files of a prompts folder from the disk, as if a stranger had written it: sizes, names and kinds first."""

import codecs
import errno
import os
import stat
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import regex

from bot.errors import Problem
from bot.policies.findings import shown

MAX_FILE_BYTES = 1024 * 1024
MAX_FOLDER_BYTES = 10 * 1024 * 1024
MAX_FILES = 2000
_MAX_DEPTH = 4
_TEXTS = (".md", ".toml", ".yaml", ".yml")
_WIDE = {codecs.BOM_UTF32_LE: "UTF-32", codecs.BOM_UTF32_BE: "UTF-32", codecs.BOM_UTF16_LE: "UTF-16"} | {
    codecs.BOM_UTF16_BE: "UTF-16"
}
_HEAD = 1000
"""Bytes by which such text is known."""
# What editors and systems put beside a file: backups, swap files, vim's try whether it may write (4913).
_LITTER = ("~", ".swp", ".swx", "___jb_tmp___", "___jb_old___")
_NOT_OURS = frozenset({"README.md", "4913", "Thumbs.db", "desktop.ini"})
# Unicode's stream-safe text holds no longer run; bringing a much longer one into NFC takes quadratic time.
_MARKS = regex.compile(r"\p{M}{31}")
# A name inside the folder must not lead elsewhere, and opening a pipe must not wait for its other end.
_OPEN = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def read_folder(folder: Path) -> tuple[dict[str, str], list[Problem]]:
    """All files by their path in the folder (with `/`), as NFC text with `\\n`, and what could not be read.

    Hidden files, editors' backups and `README.md` are left out.
    """
    reader = _Reader(folder)
    try:
        reader.read()
    except _Enough:
        reader.files.clear()
    return reader.files, reader.problems


class _Enough(Exception):
    """The folder is too large to go on."""


class _Reader:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[str, str] = {}
        self.problems: list[Problem] = []
        self.entries = 0
        self.size = 0

    def read(self) -> None:
        if not self.folder.is_dir():
            there = self.folder.exists()
            self.problem(
                "",
                0,
                "this is no folder." if there else "this folder does not exist.",
                "Set SHOPDESK_PROMPTS to the folder that holds system.md.",
            )
            return
        self.walk(self.folder, "", 1)

    def walk(self, folder: Path, prefix: str, depth: int) -> None:
        entries = [entry for entry in self.listed(folder, prefix) if not is_ignored(entry.name)]
        twins = _twins([entry.name for entry in entries])
        for entry in entries:
            path = prefix + entry.name
            if twin := twins.get(entry.name):
                reason = f"this name is “{shown(twin)}” on systems that do not tell a from A."
                self.problem(path, 0, reason, "Keep one of the two.")
            elif entry.is_symlink():
                self.problem(path, 0, "this is a symbolic link.", "Put the file itself here.")
            elif not entry.is_dir(follow_symlinks=False):
                self.file(Path(entry.path), path)
            elif entry.name.endswith(_TEXTS):
                self.problem(path, 0, "this is a folder where a file belongs.", "Put a text file of this name here.")
            elif depth == _MAX_DEPTH:
                self.problem(path, 0, "folders are nested too deeply.", "Policies are policies/LANGUAGE/NAME.md.")
            else:
                self.walk(Path(entry.path), f"{path}/", depth + 1)

    def listed(self, folder: Path, prefix: str) -> Iterator[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as entries:
                found = sorted(islice(entries, MAX_FILES + 1), key=lambda entry: entry.name)
        except OSError as exc:
            self.unreadable(prefix.rstrip("/"), exc)
            return
        self.entries += len(found)
        if self.entries > MAX_FILES:
            self.problem("", 0, f"there are more than {MAX_FILES} files in this folder.", "Move other files away.")
            raise _Enough
        yield from found

    def file(self, file: Path, path: str) -> None:
        try:
            data = _bytes_of(file)
        except OSError as exc:
            self.unreadable(path, exc)
            return
        if data is None:
            self.problem(path, 0, "this is no ordinary file.", "Put a text file here.")
            return
        if len(data) > MAX_FILE_BYTES:
            self.problem(path, 0, "this file is larger than 1 MiB.", "Split it, or move it away.")
            return
        self.size += len(data)
        if self.size > MAX_FOLDER_BYTES:
            self.problem("", 0, "the files are larger than 10 MiB together.", "Move other files away.")
            raise _Enough
        self.decode(path, data)

    def decode(self, path: str, data: bytes) -> None:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as exc:
            line = data[: exc.start].count(b"\n") + 1
            reason = f"this is not UTF-8 text (it holds the byte 0x{data[exc.start]:02X})."
            self.undecodable(path, data, line, reason)
            return
        if "\0" in text[:_HEAD] and _wide(data):
            self.undecodable(path, data, 1, "")
            return
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        if run := _MARKS.search(text):
            line = text.count("\n", 0, run.start()) + 1
            self.problem(path, line, "there are more than 30 combining marks in a row.", "Delete them.")
            return
        self.files[path] = unicodedata.normalize("NFC", text)

    def undecodable(self, path: str, data: bytes, line: int, reason: str) -> None:
        if wide := _wide(data):
            line, reason = 0, f"this is {wide} text."
        self.problem(path, line, reason, "Save it again as UTF-8: editors ask for the encoding under “Save as”.")

    def unreadable(self, path: str, exc: OSError) -> None:
        if exc.errno in (errno.EACCES, errno.EPERM):
            self.problem(path, 0, "this cannot be read: permission denied.", "Let the bot's user read it.")
        else:
            reason = exc.strerror or type(exc).__name__
            self.problem(path, 0, f"this cannot be read: {reason[:1].lower()}{reason[1:]}.", "Try again.")

    def problem(self, path: str, line: int, reason: str, fix: str) -> None:
        self.problems.append(Problem(shown(path.encode(errors="replace").decode()), line, reason, fix))


def is_ignored(name: str) -> bool:
    """Whether a file or folder of this name is none of the shop's: hidden, an editor's, a system's, a README."""
    return name.startswith((".", "#")) or name.endswith(_LITTER) or name in _NOT_OURS


def _bytes_of(file: Path) -> bytes | None:
    """At most one byte more than allowed; None for what is no regular file.

    What is none is not even opened: opening a device can do something.
    """
    if not stat.S_ISREG(os.lstat(file).st_mode):
        return None
    descriptor = os.open(file, _OPEN)
    with open(descriptor, "rb") as opened:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        return opened.read(MAX_FILE_BYTES + 1)


def _twins(names: Sequence[str]) -> dict[str, str]:
    """Names that some systems do not tell from another one here → that one, the plainest of them."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(unicodedata.normalize("NFC", name).casefold(), []).append(name)
    found: dict[str, str] = {}
    for plain, group in groups.items():
        kept = plain if plain in group else group[0]
        found |= {name: kept for name in group if name != kept}
    return found


def _wide(data: bytes) -> str:
    """`UTF-16` or `UTF-32` for text in one of these, with or without a mark at its start; else nothing."""
    for mark, name in _WIDE.items():
        if data.startswith(mark):
            return name
    head = data[:_HEAD]
    even, odd = head[::2].count(0), head[1::2].count(0)
    return "UTF-16" if max(even, odd) > len(head) / 5 and min(even, odd) < len(head) / 50 else ""
