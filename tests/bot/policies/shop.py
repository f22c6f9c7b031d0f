"""The smallest folder that checks, to be made wrong in one place, and its way to the disk."""

from collections.abc import Mapping
from pathlib import Path

from bot.policies.life import LivePolicies
from bot.policies.live import Policies
from bot.policies.sentences import SENTENCES
from bot.storage.policies import PolicyVersions

SAMPLE = Path(__file__).parents[3] / "prompts"
RETURNS = """---
title: Đổi trả
language: vi
url: https://shop.example/doi-tra
---

## Thời hạn đổi trả

Trong **7 ngày** kể từ ngày nhận.

## Phí đổi trả

Miễn phí.
"""


def sentences(**changed: str) -> str:
    """A file of sentences in the order of `SENTENCES`; the first is on line 1."""
    return "".join(f'{key} = "{text}"\n' for key, text in ({key: key for key in SENTENCES} | changed).items())


def good_files(**changed: str) -> dict[str, str]:
    """A folder in memory. Names are given with `__` for `/` and without an ending: `policies__vi__returns`."""
    return {
        "system.md": "Answer from the sections.\n",
        "staff.md": "Name the section.\n",
        "policies/vi/returns.md": RETURNS,
        "sentences/vi.toml": sentences(shop_name="Nhà Mây"),
    } | {_path(name): text for name, text in changed.items()}


def write(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """Put files into a folder on the disk."""
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(text.encode() if isinstance(text, str) else text)
    return folder


async def loaded(folder: Path, versions: PolicyVersions, *, language: str = "vi") -> Policies:
    """What is live after a start with this folder."""
    live = LivePolicies(versions, folder, language=language)
    await live.open()
    return live.current()


def _path(name: str) -> str:
    path = name.replace("__", "/")
    return f"{path}.toml" if path.startswith("sentences/") else f"{path}.md"
