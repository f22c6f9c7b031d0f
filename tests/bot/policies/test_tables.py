"""The tables of the search: a shop's own are checked line by line, those of the program are good by the same rules."""

import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest

import bot.policies.tables
from bot.errors import PromptsError
from bot.policies.check import check
from bot.policies.findings import Findings
from bot.policies.search import Search
from bot.policies.tables import MAX_CHARS, MAX_ENTRIES, SearchTables, common_tables, read_tables
from tests.bot.policies.shop import good_files

GOOD = """# ours
synonyms = [
  ["giỏ", "làn"],
]
stop_words = ["nha"]
openings = ["còn"]
elsewhere = ["thời tiết"]
goods = [["nôi", "cũi"]]

[spellings]
gio = "giỏ mây"
"""


def problems(text: str) -> Sequence[str]:
    findings = Findings("search.toml")
    read_tables(text, findings)
    return [f"{problem.line}: {problem.reason}" for problem in findings.problems]


def test_a_good_file_says_what_it_says() -> None:
    findings = Findings("search.toml")

    tables = read_tables(GOOD, findings)

    assert findings.problems == []
    synonyms, spellings, goods = (("giỏ", "làn"),), {"gio": "giỏ mây"}, (("nôi", "cũi"),)
    assert tables == SearchTables(("nha",), ("còn",), ("thời tiết",), synonyms, spellings, goods)
    assert read_tables("", findings) == SearchTables()


def test_the_tables_of_the_program_would_pass_as_a_shop_s_own() -> None:
    text = Path(bot.policies.tables.__file__).with_name("search.toml").read_text(encoding="utf-8")

    assert problems(text) == []
    assert set(tomllib.loads(text)) == {"synonyms", "stop_words", "openings", "elsewhere", "goods", "spellings"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('synonims = [["a", "b"]]', "1: there is no table “synonims”. Did you mean “synonyms”?"),
        ('\nstop_words = "nha"', "2: stop_words is no list."),
        ("stop_words = [1]", "1: “1” in stop_words is no text."),
        ('stop_words = ["hai từ"]', "1: “hai từ” in stop_words is more than one word."),
        ('stop_words = ["?"]', "1: “?” in stop_words has no letters."),
        ('stop_words = ["nha",\n"NHA"]', "2: “NHA” is twice in stop_words."),
        ('synonyms = ["a", "b"]', "1: group 1 of synonyms is no list."),
        ('synonyms = [\n["một mình"]]', "2: group 1 of synonyms has only 1 phrase."),
        ("synonyms = [[]]", "1: group 1 of synonyms has only 0 phrases."),
        ('synonyms = [["a", "a b c d e f g"]]', "1: “a b c d e f g” in group 1 of synonyms is too long."),
        ('spellings = ["a"]', "1: spellings is no table."),
        ("[spellings]\nk = 1", "2: “1” in spellings is no text."),
        ('[spellings]\n"k o" = "không"', "2: “k o” in spellings is more than one word."),
        ('[spellings]\nk = "không"\nK = "khác"', "3: “K” is there already, as “k”."),
        ('[spellings]\nk = "không"\nk = "khác"', "3: this is no valid TOML: cannot overwrite a value."),
        ("stop_words = [", "1: this is no valid TOML: invalid value."),
        ("[spellings]\na.b = 'c'", "2: tables in tables and keys with dots do not belong here."),
        ("[a.b]", "1: tables in tables and keys with dots do not belong here."),
        ("synonyms = " + "[" * 5_000, "0: lists are nested too deeply."),
        ("#" * (MAX_CHARS + 1), "0: this file is longer than 65,536 characters."),
        ("stop_words = [" + '"a",' * (MAX_ENTRIES + 1) + "]", "1: stop_words has more than 1000 entries."),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, told: str) -> None:
    assert told in problems(text)


def test_a_folder_with_a_bad_table_does_not_check_and_names_the_file() -> None:
    with pytest.raises(PromptsError) as told:
        check(good_files() | {"search.toml": "stop_words = 1"})

    assert [(problem.file, problem.line) for problem in told.value.problems] == [("search.toml", 1)]


def test_a_shop_s_own_words_find_what_they_mean_and_its_spellings_go_before() -> None:
    text = 'synonyms = [["hạn chót", "thời hạn"]]\n[spellings]\nfd = "phí đổi"\n'
    prompts = check(good_files() | {"search.toml": text})

    without = Search(prompts.sections, common_tables())
    search = Search(prompts.sections, common_tables().with_own(prompts.tables))

    assert without.find("fd", language="vi") == ()
    assert search.find("fd", language="vi")[0].section.heading == "Phí đổi trả"
    assert search.find("hạn chót", language="vi")[0].section.heading == "Thời hạn đổi trả"
    assert common_tables().with_own(SearchTables(spellings={"k": "khác"})).spellings["k"] == "khác"
