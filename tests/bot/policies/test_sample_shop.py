"""The folder that comes with the program says the same in both languages."""

import re
from collections.abc import Iterator

import pytest

from bot.engine.limits import EngineLimits
from bot.policies.check import read_prompts
from bot.policies.examine import examine
from bot.policies.live import Policies, estimated_tokens
from bot.policies.prompts import Prompts, Section
from bot.policies.sentences import SENTENCES
from bot.text import fold
from tests.bot.policies.shop import SAMPLE


@pytest.fixture(scope="module")
def prompts() -> Prompts:
    return read_prompts(SAMPLE)


def test_both_languages_have_the_same_policies_with_as_many_sections(prompts: Prompts) -> None:
    def shape(language: str) -> list[str]:
        return [section.policy[3:] for section in prompts.sections if section.language == language]

    assert shape("vi") == shape("en")
    assert all(4 <= shape("vi").count(policy) <= 8 for policy in shape("vi"))


def test_both_languages_name_the_same_numbers_in_each_section(prompts: Prompts) -> None:
    for one, other in pairs(prompts):
        assert numbers(one) == numbers(other), (one.id, other.id)


def test_the_sample_shop_fits_into_one_request(prompts: Prompts) -> None:
    assert sum(map(estimated_tokens, prompts.sections)) < EngineLimits().section_tokens


def test_both_languages_have_every_sentence_with_the_same_placeholders(prompts: Prompts) -> None:
    for key in SENTENCES:
        vi, en = (set(re.findall(r"{\w+}", prompts.sentences[language][key])) for language in ("vi", "en"))
        assert vi - {"{shop}"} == en - {"{shop}"} == {f"{{{name}}}" for name in SENTENCES[key]}, key


def pairs(prompts: Prompts) -> Iterator[tuple[Section, Section]]:
    by_language = [[section for section in prompts.sections if section.language == code] for code in ("vi", "en")]
    return zip(*by_language, strict=True)


def numbers(section: Section) -> list[str]:
    """All numbers of a section, without what separates thousands, in no order."""
    text = re.sub(r"(?<=\d)[.,](?=\d{3})", "", section.text)
    return sorted(re.findall(r"\d+", text))


@pytest.mark.parametrize("language", ["vi", "en"])
async def test_the_shops_own_tests_pass_whatever_language_the_program_speaks(prompts: Prompts, language: str) -> None:
    policies = Policies(prompts, "v", language)
    assert [str(problem) for problem in await examine(policies)] == []


def test_the_shop_has_tests_of_every_kind(prompts: Prompts) -> None:
    tests = prompts.tests
    assert len(tests) >= 45
    assert sum(test.finds_nothing for test in tests) >= 5
    assert sum(len(test.turns) > 1 for test in tests) >= 3
    assert sum(test.is_about_saying for test in tests) >= 10
    assert {section.language for section in prompts.sections} == {"vi", "en"}
    assert any(fold(test.turns[-1]) == test.turns[-1].casefold() for test in tests)
