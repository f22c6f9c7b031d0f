"""The index over the sections of the policy versions, and the search in it."""

import sqlite3
from collections.abc import Sequence
from dataclasses import astuple, dataclass

from bot.errors import StorageError
from bot.storage.database import Database

# So many versions stay searchable: the live one, the one before it, and candidates. Others are indexed again on demand.
_INDEXED_VERSIONS = 4
# title, heading, body with their marks, then the same without: what matches with its marks counts twice.
_WEIGHTS = (1.0, 4.0, 1.0, 1.0, 4.0, 1.0)
_OTHER_LANGUAGE = 0.4
# Of one group of terms so many sections are looked at before the groups are added up.
_CANDIDATES = 100


@dataclass(frozen=True, slots=True)
class IndexedSection:
    """A section as the index takes it: its texts in NFC and lower case, and the same without marks.

    `title` holds the headings above its own, too.
    """

    section_id: str
    language: str
    title: str
    heading: str
    body: str
    title_folded: str
    heading_folded: str
    body_folded: str


@dataclass(frozen=True, slots=True)
class Terms:
    """Words and phrases (words with spaces between them) to look for: as they are, and without marks."""

    exact: tuple[str, ...]
    folded: tuple[str, ...]
    weight: float = 1.0
    finds: bool = True
    """False: they only add to the score of sections that terms before them have found."""


class PolicyIndex:
    """What can be searched. Raises `StorageError` for a version that does not exist."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def index(self, version: str, sections: Sequence[IndexedSection]) -> None:
        """Make a version's sections searchable; a version that is indexed already stays as it is."""
        await self._database.write(lambda db: _index(db, version, sections))

    async def search(
        self, version: str, terms: Sequence[Terms], *, language: str, limit: int
    ) -> list[tuple[str, float]]:
        """Sections of a version that hold any of the terms, best first, with a score above 0.

        Other languages than `language` are found as well and count less.
        """
        return await self._database.read(lambda db: _search(db, version, terms, language, limit))


def _index(db: sqlite3.Connection, version: str, sections: Sequence[IndexedSection]) -> None:
    if db.execute("SELECT 1 FROM policy_versions WHERE id = ?", (version,)).fetchone() is None:
        raise StorageError(f"There is no policy version {version[:64]}.")
    if db.execute("SELECT 1 FROM policy_sections WHERE version_id = ? LIMIT 1", (version,)).fetchone():
        return
    for section in sections:
        rowid = db.execute(
            "INSERT INTO policy_sections (version_id, section_id, language) VALUES (?, ?, ?)",
            (version, section.section_id, section.language),
        ).lastrowid
        db.execute(
            "INSERT INTO policy_index (rowid, title, heading, body, title_folded, heading_folded, body_folded) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (rowid, *astuple(section)[2:]),
        )
    _drop_old_indexes(db)


def _drop_old_indexes(db: sqlite3.Connection) -> None:
    newest_first = db.execute("SELECT version_id FROM policy_sections GROUP BY version_id ORDER BY max(id) DESC")
    old = [str(row[0]) for row in newest_first][_INDEXED_VERSIONS:]
    active = db.execute("SELECT version_id FROM policy_activations ORDER BY id DESC LIMIT 1").fetchone()
    for version in set(old) - {active and active[0]}:
        db.execute(
            "DELETE FROM policy_index WHERE rowid IN (SELECT id FROM policy_sections WHERE version_id = ?)", (version,)
        )
        db.execute("DELETE FROM policy_sections WHERE version_id = ?", (version,))


def _match(terms: Terms) -> str:
    """An FTS5 expression in which everything that was handed in is a quoted string, never syntax."""
    groups = [
        f"{{{columns}}} : ({' OR '.join(_quoted(phrase) for phrase in phrases)})"
        for columns, phrases in (
            ("title heading body", terms.exact),
            ("title_folded heading_folded body_folded", terms.folded),
        )
        if phrases
    ]
    return " OR ".join(groups)


def _quoted(phrase: str) -> str:
    return '"' + phrase.replace("\0", " ").replace('"', '""') + '"'


def _search(
    db: sqlite3.Connection, version: str, terms: Sequence[Terms], language: str, limit: int
) -> list[tuple[str, float]]:
    scores: dict[str, float] = {}
    for group in terms:
        if match := _match(group):
            rows = db.execute(
                # bm25 is the better the further below 0 it is.
                "SELECT section_id, -bm25(policy_index, ?, ?, ?, ?, ?, ?) * iif(language = ?, 1.0, ?) AS score "
                "FROM policy_index JOIN policy_sections ON policy_sections.id = policy_index.rowid "
                "WHERE policy_index MATCH ? AND version_id = ? ORDER BY score DESC LIMIT ?",
                (*_WEIGHTS, language, _OTHER_LANGUAGE, match, version, max(limit, _CANDIDATES)),
            )
            for section_id, score in rows:
                if group.finds or section_id in scores:
                    scores[section_id] = scores.get(section_id, 0.0) + group.weight * score
    return sorted(scores.items(), key=lambda found: (-found[1], found[0]))[:limit]
