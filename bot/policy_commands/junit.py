"""Policy tests as JUnit XML, which every CI system reads."""

from collections.abc import Sequence
from itertools import groupby
from xml.etree import ElementTree

import regex

from bot.policies.examine import Tried
from bot.text import clean

# What XML 1.0 cannot hold, not even escaped: https://www.w3.org/TR/xml/#charsets
_NOT_XML = regex.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(tried: Sequence[Tried]) -> bytes:
    """One suite for each file, one case for each wording of a question."""
    root = ElementTree.Element("testsuites", {"name": "shopdesk policies"} | _counts(tried))
    for file, group in groupby(tried, key=lambda one: one.test.file):
        cases = list(group)
        suite = ElementTree.SubElement(root, "testsuite", {"name": _text(file)} | _counts(cases))
        for one in cases:
            case = ElementTree.SubElement(
                suite,
                "testcase",
                classname=_text(file.removesuffix(".yaml").replace("/", ".")),
                name=_text(" → ".join(one.turns)),
                file=_text(file),
                line=str(one.test.line),
                time=f"{one.seconds:.4f}",
            )
            if one.failures:
                failure = ElementTree.SubElement(case, "failure", message=_text(one.failures[0]), type="policy")
                failure.text = _text("\n".join([f"{file}:{one.test.line}", *one.failures]))
            elif one.is_skipped:
                ElementTree.SubElement(case, "skipped", message="it needs a model")
    ElementTree.indent(root)
    written: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return written + b"\n"


def _counts(tried: Sequence[Tried]) -> dict[str, str]:
    return {
        "tests": str(len(tried)),
        "failures": str(sum(bool(one.failures) for one in tried)),
        "errors": "0",
        "skipped": str(sum(one.is_skipped and not one.failures for one in tried)),
        "time": f"{sum(one.seconds for one in tried):.4f}",
    }


def _text(text: str) -> str:
    return _NOT_XML.sub("\ufffd", clean(text))
