import pytest

from bot.errors import PromptsError
from bot.policies.check import check
from bot.policies.sentences import SENTENCES
from tests.bot.policies.shop import RETURNS, good_files, sentences

KEYS = "title, language, url, valid_from, valid_until, audience"
HEAD = "---\ntitle: Đổi trả\n---\n"


def problems(files: dict[str, str], language: str = "vi") -> list[str]:
    with pytest.raises(PromptsError) as caught:
        check(files, language=language)
    return str(caught.value).split("\n")


def test_a_good_folder_becomes_sections_with_ids_headings_and_verbatim_text() -> None:
    prompts = check(good_files())

    assert [section.id for section in prompts.sections] == [
        "vi/returns#thoi-han-doi-tra",
        "vi/returns#phi-doi-tra",
    ]
    first = prompts.sections[0]
    assert (first.policy, first.language, first.title) == ("vi/returns", "vi", "Đổi trả")
    assert (first.heading, first.headings) == ("Thời hạn đổi trả", ("Thời hạn đổi trả",))
    assert first.text == "Trong **7 ngày** kể từ ngày nhận."
    assert first.url == "https://shop.example/doi-tra"
    assert prompts.policies == ("vi/returns",)
    assert prompts.system == "Answer from the sections."
    assert prompts.sentences["vi"]["shop_name"] == "Nhà Mây"


def test_headings_above_are_kept_and_shown_in_the_source() -> None:
    text = HEAD + "# Quần áo\n\n## Đổi ##\n\nMột.\n\n### Phí\n\nHai.\n\n## Trả\n\nBa.\n"
    prompts = check(good_files(policies__vi__returns=text))

    assert [section.headings for section in prompts.sections] == [
        ("Quần áo", "Đổi"),
        ("Quần áo", "Đổi", "Phí"),
        ("Quần áo", "Trả"),
    ]
    source = prompts.sections[1].source()
    assert (source.section_id, source.heading, source.text) == ("vi/returns#phi", "Quần áo › Đổi › Phí", "Hai.")


def test_text_above_the_first_heading_is_a_section_of_its_own() -> None:
    prompts = check(good_files(policies__vi__returns=HEAD + "Shop nhận đổi trả.\n\n## Phí\n\nMiễn phí.\n"))

    assert [(section.id, section.heading) for section in prompts.sections] == [
        ("vi/returns", "Đổi trả"),
        ("vi/returns#phi", "Phí"),
    ]
    assert prompts.sections[0].source().heading == "Đổi trả"


def test_a_heading_in_a_block_of_code_is_no_heading() -> None:
    text = HEAD + "## Mã\n\n```\n## không phải\n```\n~~~~\n```\n## cũng không\n~~~~\n"
    prompts = check(good_files(policies__vi__returns=text))

    assert [section.id for section in prompts.sections] == ["vi/returns#ma"]
    assert "## cũng không" in prompts.sections[0].text


def test_headings_that_differ_in_marks_only_get_different_ids() -> None:
    prompts = check(good_files(policies__vi__returns=HEAD + "## Đổi\n\n1\n\n## Đối\n\n2\n"))

    assert [section.id for section in prompts.sections] == ["vi/returns#doi", "vi/returns#doi-2"]


def test_a_front_matter_is_text_even_if_yaml_would_read_it_otherwise() -> None:
    prompts = check(good_files(policies__vi__returns="---\ntitle: 2024\nlanguage: vi\n---\n## A\n\nb\n"))

    assert prompts.sections[0].title == "2024"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("## A\n\nb\n", ":1: the front matter has no title. Put “title: …” between two lines of --- at the top."),
        (
            "---\ntitle: A\n\n## A\n\nb\n",
            ":1: the front matter is never closed. Put a line with --- below its last key.",
        ),
        (
            "---\ntitle: A\nlanguage: vi\nurl: https://shop.example\n\n\nnote: a: b\n---\n## A\n\nb\n",
            ":7: the front matter is no valid YAML: mapping values are not allowed here. "
            "Put the text behind the colon into double quotes.",
        ),
        (
            '---\ntitle: "A\n---\n## A\n\nb\n',
            ":2: the front matter is no valid YAML: the quote that begins here never ends. "
            "Close it with the same mark.",
        ),
        (
            "---\ntitle: &a A\nurl: *a\n---\n## A\n\nb\n",
            ":2: the front matter is no valid YAML: anchors (&) and aliases (*) are not allowed. "
            "Put the text behind the colon into double quotes.",
        ),
        (
            "---\ntitle: A\nurl: " + "[" * 20 + "]" * 20 + "\n---\n## A\n\nb\n",
            ":3: the front matter is no valid YAML: it is nested too deeply. "
            "Put the text behind the colon into double quotes.",
        ),
        (
            "---\ntitle: A\ntitel: B\n---\n## A\n\nb\n",
            f":3: “titel” is no key of the front matter. Did you mean “title”? Known: {KEYS}.",
        ),
        (
            "---\ntitle: A\nxyz: B\n---\n## A\n\nb\n",
            f":3: “xyz” is no key of the front matter. Known: {KEYS}.",
        ),
        ("---\ntitle: A\ntitle: B\n---\n## A\n\nb\n", ":3: “title” is there twice. Line 2 has it, too."),
        ("---\ntitle:\n---\n## A\n\nb\n", ":2: title is empty. Write it behind the colon."),
        ("---\ntitle: " + "A" * 201 + "\n---\n## A\n\nb\n", ":2: title is longer than 200 characters. Shorten it."),
        (
            "---\ntitle: A\nurl: shop.example\n---\n## A\n\nb\n",
            ":3: url must be an address that starts with https://. Correct it.",
        ),
        (
            "---\ntitle: A\nurl: https://shop\n---\n## A\n\nb\n",
            ":3: url leads to no host that a customer could open. Write it like https://shop.example/returns.",
        ),
        (
            "---\ntitle: A\nvalid_form: 2026-02-10\n---\n## A\n\nb\n",
            f":3: “valid_form” is no key of the front matter. Did you mean “valid_from”? Known: {KEYS}.",
        ),
        (
            "---\ntitle: A\nvalid_from: 10/02/2026\n---\n## A\n\nb\n",
            ":3: valid_from is no date. Write 2026-02-10 (the year comes first).",
        ),
        (
            "---\ntitle: A\nvalid_until: Tết\n---\n## A\n\nb\n",
            ":3: valid_until is no date. Write 2026-02-10, or with a time 2026-02-10 18:00.",
        ),
        (
            "---\ntitle: A\nvalid_until: 2026-02-10 18:00+07:00\n---\n## A\n\nb\n",
            ":3: valid_until is no date. Write 2026-02-10, or with a time 2026-02-10 18:00.",
        ),
        (
            "---\ntitle: A\nvalid_until: 2026-02-30\n---\n## A\n\nb\n",
            ":3: valid_until is no date that exists. Write it like 2026-02-10, or with a time 2026-02-10 18:00.",
        ),
        (
            "---\ntitle: A\nvalid_until: 9999-12-31\n---\n## A\n\nb\n",
            ":3: valid_until is in no year from 2000 to 2199. "
            "Write it like 2026-02-10, or with a time 2026-02-10 18:00.",
        ),
        (
            "---\ntitle: A\nvalid_until: 2026-02-10\nvalid_from: 2026-02-11\n---\n## A\n\nb\n",
            ":3: valid_until (2026-02-10) is before valid_from (2026-02-11). Swap them, or correct one.",
        ),
        (
            "---\ntitle: A\nvalid_from: [2026-02-10]\n---\n## A\n\nb\n",
            ":3: “valid_from” holds a list or more keys. Write plain text behind the colon.",
        ),
        (
            "---\ntitle: A\naudience: stuff\n---\n## A\n\nb\n",
            ":3: audience is “stuff”. Did you mean “staff”? Known: customers, staff, everyone.",
        ),
        ("---\n- A\n---\n## A\n\nb\n", ":2: the front matter is no list of keys. Write one “key: text” on each line."),
        (
            "---\ntitle: [A]\n---\n## A\n\nb\n",
            ":2: “title” holds a list or more keys. Write plain text behind the colon.",
        ),
        (
            "---\ntitle: A\nlanguage: en\n---\n## A\n\nb\n",
            ":3: language is “en”, but the file is in policies/vi/. Move the file, or correct the language.",
        ),
        (
            "---\ntitle: A\n# " + "x" * 9000 + "\n---\n## A\n\nb\n",
            ":1: the front matter is longer than 8192 characters. Move the text below it.",
        ),
        (
            "---\ntitle: A\nurl: \ufffe\n---\n## A\n\nb\n",
            ":3: the front matter holds a character that YAML does not allow. Delete it.",
        ),
        (HEAD, ": this policy has no text. Write it below the front matter."),
        (HEAD + "\n## A\n\n## B\n\nb\n", ":5: the section “A” has no text. Write it, or delete the heading."),
        (HEAD + "\n## A\n\nb\n\n## B\n", ":9: the section “B” has no text. Write it, or delete the heading."),
        (
            HEAD + "\n## Phí giao\n\nb\n\n## phí  giao\n\nc\n",
            ":9: the heading “phí giao” is on line 5 already. Give each heading its own words.",
        ),
        (HEAD + "##\n\nb\n", ":4: this heading has no words. Write them behind the #."),
        (HEAD + "##Phí\n\nb\n", ":4: this is no heading: there is no space behind the #. Put one there."),
        (HEAD + "## A\n\n```\nb\n", ":6: the code that begins with ``` never ends. Close it with the same marks."),
        (
            HEAD + "## A\n\n" + "b" * 6001 + "\n",
            ":4: this section is longer than 6000 characters: nobody would read it as a source. "
            "Split it with more headings.",
        ),
        (
            HEAD + "## A\n\nb\n[xem](../phi.md)\n",
            ":7: “../phi.md” is no address that a customer could open. Write all of it, from https:// on.",
        ),
        (
            HEAD + "## A\n\n[xem](javascript:alert(1))\n",
            None,
        ),
        (
            HEAD + "## A\n\nb\n<<<<<<< HEAD\nc\n",
            ":7: a mark of a merge conflict was left in. Settle the conflict and delete the marks.",
        ),
        (
            HEAD + "## A\n\ngiá \u202e000.01\n",
            ":6: there is an invisible control character (U+202E). Delete it, or type the line again.",
        ),
        (
            HEAD + "## A\n\nb\U000e0041\n",
            ":6: there is an invisible control character (U+E0041). Delete it, or type the line again.",
        ),
        (
            HEAD + "## A\n\nb\0\n",
            ":6: there is an invisible control character (U+0000). Delete it, or type the line again.",
        ),
        (
            HEAD + "## A\n\nb\n".join(["", *map(str, range(600))]),
            None,
        ),
    ],
)
def test_a_wrong_policy_is_named_with_line_reason_and_fix(text: str, expected: str | None) -> None:
    found = problems(good_files(policies__vi__returns=text))

    if expected is not None:
        assert found[:1] == [f"policies/vi/returns.md{expected}"]
    assert all(line.startswith("policies/vi/returns.md:") for line in found)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('greeting_ = "x"', "the program has no sentence “greeting_”. Did you mean “greeting”? Delete it."),
        ('zzzzzz = "x"', "the program has no sentence “zzzzzz”. Delete it."),
        ('wait = "x"', "“wait” is there twice. Line {wait} has it, too."),
        ("zzz", 'this is no sentence. Write key = "text" on one line, or put longer text in """.'),
        ("zzz = 7", 'this is no sentence. Write key = "text" on one line, or put longer text in """.'),
        ("[table]", 'this is no sentence. Write key = "text" on one line, or put longer text in """.'),
        ('zzz = "x', 'this is no sentence. Write key = "text" on one line, or put longer text in """.'),
        ("a.b.c = 'x'", 'this is no sentence. Write key = "text" on one line, or put longer text in """.'),
    ],
)
def test_a_wrong_line_among_the_sentences_is_named(line: str, expected: str) -> None:
    number = len(SENTENCES) + 1
    wait = list(SENTENCES).index("wait") + 1

    assert problems(good_files(sentences__vi=sentences() + line + "\n")) == [
        f"sentences/vi.toml:{number}: {expected.format(wait=wait)}"
    ]


@pytest.mark.parametrize(
    ("key", "text", "expected"),
    [
        (
            "too_long",
            "Max {limt}",
            "“too_long” has no placeholder {{limt}}. Did you mean “limit”? Known here: {{shop}}, {{limit}}.",
        ),
        ("wait", "{name}", "“wait” has no placeholder {{name}}. Known here: {{shop}}."),
        ("wait", "{shop.__class__}", "“wait” has no placeholder {{shop.__class__}}. Known here: {{shop}}."),
        ("wait", "{shop:>9999999}", "“wait” has more than a name in the braces of {{shop}}. Delete the rest."),
        ("wait", "{}", "“wait” has no placeholder {{}}. Known here: {{shop}}."),
        ("shop_name", "{shop}", "“shop_name” has no placeholder {{shop}}. Known here: none."),
        ("wait", "a { b", "“wait” has a single brace. Write {{{{ and }}}} for braces that are to be seen."),
        ("wait", "", "“wait” is empty. Write the sentence between the quotes."),
        ("wait", "\\u200b \\u0301", "“wait” is empty. Write the sentence between the quotes."),
        ("wait", "x" * 1501, "“wait” is longer than 1500 characters. Shorten it."),
        ("command_new", "x" * 101, "“command_new” is longer than 100 characters. Shorten it."),
        ("wait", "a\\qb", "this is no valid TOML: unescaped '\\' in a string. Correct this line."),
    ],
)
def test_a_wrong_sentence_is_named(key: str, text: str, expected: str) -> None:
    line = list(SENTENCES).index(key) + 1

    assert problems(good_files(sentences__vi=sentences(**{key: text}))) == [
        f"sentences/vi.toml:{line}: {expected.format()}"
    ]


def test_wrong_lines_among_the_sentences_are_all_named() -> None:
    number = len(SENTENCES) + 1

    assert problems(good_files(sentences__vi=sentences() + 'a = "x\n\nb = 7\nwait = "x"\n')) == [
        f'sentences/vi.toml:{number}: this is no sentence. Write key = "text" on one line, or put longer text in """.',
        f"sentences/vi.toml:{number + 2}: this is no sentence. "
        'Write key = "text" on one line, or put longer text in """.',
        f"sentences/vi.toml:{number + 3}: “wait” is there twice. Line {list(SENTENCES).index('wait') + 1} has it, too.",
    ]


def test_missing_sentences_are_named_in_the_order_of_the_program() -> None:
    *named, more = problems(good_files(sentences__en="# nothing yet\n"))
    assert [line.split("“")[1].split("”")[0] for line in named] == list(SENTENCES)[: len(named)]
    assert f"{len(SENTENCES) - len(named)} more problems of this file" in more


def test_a_missing_sentence_is_named_for_its_language() -> None:
    text = sentences().replace('wait = "wait"\n', "")

    assert problems(good_files(sentences__en=text)) == [
        'sentences/en.toml: the sentence “wait” is missing. Add a line wait = "…".'
    ]


def test_a_long_sentence_does_not_shift_the_lines_behind_it() -> None:
    text = '# mine\nwait = """\na\nb"""\n\n' + sentences(stopped="{x}").replace('wait = "wait"\n', "")
    line = text.split("\n").index('stopped = "{x}"') + 1

    assert problems(good_files(sentences__vi=text)) == [
        f"sentences/vi.toml:{line}: “stopped” has no placeholder {{x}}. Known here: {{shop}}."
    ]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("notes.txt", "notes.txt: this file does not belong here. Move it away;"),
        ("../../etc/passwd", "../../etc/passwd: this file does not belong here. Move it away;"),
        ("policies/vi/../x.md", "policies/vi/../x.md: this file does not belong here. Move it away;"),
        ("policies/x.md", "policies/x.md: this file does not belong here. Move it away;"),
        (
            "policies/vi/Đổi.md",
            "policies/vi/Đổi.md: “Đổi” is no name for a policy. Use at most 64 of a–z, 0–9, - and _, like doi.md.",
        ),
        ("policies/vi/...md", "policies/vi/...md: “..” is no name for a policy."),
        (f"policies/vi/{'a' * 65}.md", f"policies/vi/{'a' * 65}.md: “{'a' * 65}” is no name for a policy."),
        (
            "policies/Vietnamese/x.md",
            "policies/Vietnamese/x.md: “Vietnamese” is no language. Use its code of two or three letters, like vi.",
        ),
        ("sentences/english.toml", "sentences/english.toml: “english” is no language."),
    ],
)
def test_a_file_in_the_wrong_place_or_with_a_wrong_name_is_named(path: str, expected: str) -> None:
    found = problems(good_files() | {path: RETURNS})

    assert len(found) == 1
    assert found[0].startswith(expected)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("system.md", "system.md: this file is missing. Write the instructions for customers' questions into it."),
        ("staff.md", "staff.md: this file is missing. Write the instructions for the questions of staff into it."),
        (
            "sentences/vi.toml",
            "sentences/vi.toml: this file is missing. Write the program's sentences into it, or set SHOPDESK_LANGUAGE.",
        ),
        ("policies/vi/returns.md", "policies: there is no policy. Write one: policies/vi/returns.md."),
    ],
)
def test_a_missing_file_is_named(path: str, expected: str) -> None:
    files = good_files()
    del files[path]

    assert problems(files) == [expected]


def test_an_empty_prompt_is_named() -> None:
    assert problems(good_files(system="---\ntitle: A\n---\n \u200b\n")) == [
        "system.md: this file is empty. Write what the model is to do."
    ]


def test_the_front_matter_of_a_prompt_is_not_told_to_the_model() -> None:
    assert check(good_files(system="---\ntitle: A\n---\n\nBe kind.\n")).system == "Be kind."


def test_everything_that_is_wrong_is_told_at_once_in_the_order_of_files_and_lines() -> None:
    files = good_files(
        policies__vi__returns="---\ntitel: A\n---\n## A\n\n## B\n\nb\n<<<<<<< HEAD\n",
        policies__vi__shipping=HEAD + "## A\n\n[x](y)\n\n## A\n\nc\n",
        sentences__vi=sentences(wait="{x}"),
    )

    assert [line.split(": ")[0] for line in problems(files)] == [
        "policies/vi/returns.md:9",
        "policies/vi/shipping.md:6",
        "policies/vi/shipping.md:8",
        f"sentences/vi.toml:{list(SENTENCES).index('wait') + 1}",
    ]


def test_a_file_with_thousands_of_problems_is_told_by_the_first_fifty() -> None:
    found = problems(good_files(policies__vi__returns=HEAD + "##x\n" * 3000))

    assert len(found) == 51
    assert found[-1] == "policies/vi/returns.md:53: 2951 more problems of this file are not shown. Fix these first."


def test_more_sections_than_can_be_searched_are_refused() -> None:
    texts = {
        f"policies__vi__p{number}": HEAD + "".join(f"## h{each}\nb\n" for each in range(500)) for number in range(41)
    }

    assert problems(good_files(**texts)) == [
        "policies: there are more than 20,000 sections in all policies together. "
        "Put what belongs together under one heading."
    ]


@pytest.mark.parametrize(
    "line",
    [
        "[a](https:/shop.example)",
        "[a](https://)",
        "[a](https://shop)",
        "[a](www.shop.example)",
        "[a](mailto:shop)",
        "[a](tel:gọi ngay)",
        "[a](https://shop.example@other.example)",
        "[a]: ../returns.md",
        "xem https//shop.example/a",
        "xem https:/shop.example/a",
        "xem http:shop.example",
    ],
)
def test_a_link_that_is_none_is_named(line: str) -> None:
    found = problems(good_files(policies__vi__returns=f"{HEAD}## A\n\nb\n{line}\n"))

    assert len(found) == 1
    assert found[0].startswith("policies/vi/returns.md:7: “")
    assert found[0].endswith("” is no address that a customer could open. Write all of it, from https:// on.")


@pytest.mark.parametrize(
    "line",
    [
        "[a](https://shop.example/đổi-trả?x=1#y)",
        "[a](mailto:shop@shop.example) [b](tel:+84901234567) [c](http://shop.example:8080)",
        "[a]: https://shop.example",
        "https://shop.example/a, http://shop.example và giờ 8:00",
        "HTTPS là an toàn; [ ] chưa (xem dưới)",
    ],
)
def test_a_link_that_is_one_is_left_in_peace(line: str) -> None:
    assert line in check(good_files(policies__vi__returns=f"{HEAD}## A\n\nb\n{line}\n")).sections[0].text


def test_what_escapes_would_hide_is_found_behind_them() -> None:
    text = '---\ntitle: "A\\u202eB"\n---\n## A\n\nb\n'

    assert problems(good_files(policies__vi__returns=text, sentences__vi=sentences(wait="a\\u202eb"))) == [
        "policies/vi/returns.md:2: title holds an invisible control character. Type the line again.",
        f"sentences/vi.toml:{list(SENTENCES).index('wait') + 1}: “wait” holds an invisible control character. "
        "Type the sentence again.",
    ]


def test_a_section_is_not_called_missing_while_its_policy_could_not_be_read() -> None:
    files = good_files(policies__en__returns="---\ntitle: Returns\n---\n\n## Period\n\n7 days.\n")
    files["tests/x.yaml"] = "- ask: đổi trả\n  finds: vi/returns\n"
    del files["policies/vi/returns.md"]

    assert problems(files)[0].startswith("tests/x.yaml:2: there is no section “vi/returns”.")
    assert check(files, unread=["policies/vi/returns.md"]).tests
