"""How well and how fast questions find their sections: `python -m tests.bench.search [--sections N] [--missed]`.

The questions are those of `tests/search/tune.toml`, on which the search was tuned, `held_out.toml`, by the same
hand, which was looked at on the way, and `blind.toml`, by somebody who had not seen the search. In all, an entry
of `questions` has `find` (the sections that answer it, any of them will do), the question as `vi` or `en`,
`own = true` when it uses the section's own words, and as `chat` how it is typed in a hurry. Nothing answers those
of `off_topic`; those of `turns` come after the questions in `before`.
"""

import argparse
import random
import resource
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bot.policies.check import read_prompts
from bot.policies.language import guess_language
from bot.policies.prompts import Prompts, Section
from bot.policies.search import Found, Search
from bot.policies.tables import common_tables
from tests.search.questions import PARTS, SPELLINGS, Part, Question, Score, read

_SAMPLE = Path(__file__).parents[2] / "prompts"
_LOOKED_AT = 10
_ROUNDS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sections", type=int, default=10_000)
    parser.add_argument("--missed", action="store_true", help="name the tuning part's questions that miss")
    options = parser.parse_args()
    prompts = read_prompts(_SAMPLE)
    search = Search(prompts.sections, common_tables().with_own(prompts.tables))
    for part in PARTS:
        show_quality(part, search, missed=options.missed and part == "tune")
    show_speed(prompts, options.sections)


def show_quality(part: Part, search: Search, *, missed: bool) -> None:
    """Print a table of one part: how often the right section is first, or among the first three."""
    questions = read(part)
    scores: Mapping[str, Score] = defaultdict(Score)
    for question in questions.asked:
        found = find(search, question)
        for group in (question.spelling, f"{question.spelling}, {'own' if question.own else 'other'} words"):
            scores[group].add(ids(found), question, bool(found) and found[0].good)
        if missed and scores[question.spelling].ranks[-1] != 1:
            print(f"  {scores[question.spelling].ranks[-1] or '–'}  {question.text}  {' '.join(sorted(question.find))}")
    for question in questions.second_turns:
        found = find(search, question)
        scores["second turns"].add(ids(found), question, bool(found) and found[0].good)
    print(f"\n{part}: {len(questions.asked)} questions in all spellings")
    print(f"{'':36}{'number':>7}{'recall@1':>10}{'recall@3':>10}{'MRR':>7}{'rejected':>10}")
    for group, score in scores.items():
        spelling, _, words = group.partition(",")
        name = SPELLINGS.get(spelling, spelling) + (f",{words}" if words else "")
        row = f"{score.recall(1):>10.1%}{score.recall(3):>10.1%}{score.mean_reciprocal_rank:>7.3f}"
        print(f"{name[:36]:<36}{len(score.ranks):>7}{row}{1 - score.accepted:>10.1%}")
    outside = Score()
    for question in questions.off_topic:
        found = find(search, question)
        outside.add(ids(found), question, bool(found) and found[0].good)
    if outside.ranks:
        print(f"about no policy: {len(outside.ranks)} questions, {outside.accepted:.1%} of them accepted")


def show_speed(prompts: Prompts, count: int) -> None:
    """Print how long a large shop takes to get ready and to be searched, in one thread that is warm."""
    shop = sections_like(prompts.sections, count)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began, began_work = time.perf_counter(), time.thread_time()
    search = Search(shop, common_tables())
    built, worked = time.perf_counter() - began, time.thread_time() - began_work
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    questions = [question for part in PARTS for question in read(part).asked]
    took: list[tuple[float, float]] = []
    for _ in range(_ROUNDS):
        took = [_seconds(search, question) for question in questions]
    words = sum(len(section.text.split()) for section in shop) / max(1, count)
    print(f"\n{count:,} sections of {words:.0f} words: ready in {built:.2f} s ({worked:.2f} s of it work)", end="")
    print(f", {memory:.0f} MB more at the most")
    for name, times in (("by the clock", [wall for wall, _ in took]), ("of work", [work for _, work in took])):
        times.sort()
        marks = ", ".join(f"p{at} {times[int(len(times) * at / 100)] * 1000:.1f} ms" for at in (50, 99))
        print(f"a question {name}: {marks}, longest {times[-1] * 1000:.1f} ms")


def find(search: Search, question: Question) -> tuple[Found, ...]:
    """What a question finds, in the language that it seems to be in."""
    language = guess_language(question.text, None, "vi", ("vi", "en"))
    return search.find(question.text, language=language, limit=_LOOKED_AT, before=question.before)


def ids(found: Sequence[Found]) -> list[str]:
    """The ids of sections."""
    return [one.section.id for one in found]


def sections_like(sections: Sequence[Section], count: int) -> list[Section]:
    """So many sections made of the sentences of these, two thirds of them Vietnamese."""
    chance = random.Random(5)
    own = {language: [one for one in sections if one.language == language] for language in ("vi", "en")}
    return list(_made(own, count, chance))


def _made(own: Mapping[str, Sequence[Section]], count: int, chance: random.Random) -> Iterator[Section]:
    for number in range(count):
        language = "en" if number % 3 == 2 else "vi"
        like = chance.choice(own[language])
        pieces = [_piece(chance.choice(own[language]).text, chance) for _ in range(chance.randint(2, 5))]
        heading = f"{like.headings[-1]} {number}"
        section_id = f"{language}/p{number // 8}#{number}"
        text = "\n\n".join(pieces)
        yield replace(like, id=section_id, policy=section_id.split("#")[0], headings=(heading,), text=text)


def _piece(text: str, chance: random.Random) -> str:
    words = text.split()
    start = chance.randrange(len(words))
    return " ".join(words[start : start + 30])


def _seconds(search: Search, question: Question) -> tuple[float, float]:
    """By the clock, and of work: on a machine that others use, too, the second is the one to compare."""
    began, began_work = time.perf_counter(), time.thread_time()
    find(search, question)
    return time.perf_counter() - began, time.thread_time() - began_work


if __name__ == "__main__":
    main()
