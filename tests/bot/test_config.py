from decimal import Decimal
from pathlib import Path

import pytest

from bot.config import Config, read_config
from bot.errors import SettingsError

WHOLE = """
[model]
use = "deepseek:deepseek-chat"
fallbacks = ["anthropic:claude-haiku-5-5"]
first_text = 5

[providers.deepseek]
kind = "openai"
base_url = "https://api.deepseek.com/v1/"
keys_env = "DEEPSEEK_API_KEY"
auth = "bearer"
headers = { "X-Team" = "desk" }
conversation_header = "X-Conversation-Id"
limits = { requests_per_minute = 60 }

[prices."deepseek-chat"]
input = 0.27
output = 1.10
cache_read = 0.07

[money]
dong_per_dollar = 25_400

[budgets]
customer_dollars = 0.5
shop_tokens = 5_000_000

[canary]
stages = [5, 100]
stage_time = "30m"
margins = { errors = 0.02 }
"""


def config(tmp_path: Path, text: str) -> Config:
    path = tmp_path / "shopdesk.toml"
    path.write_text(text, encoding="utf-8")
    return read_config(path)


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    found = config(tmp_path, WHOLE)
    provider = found.providers["deepseek"]
    assert (found.model.use, found.model.first_text) == ("deepseek:deepseek-chat", 5.0)
    assert (provider.kind, provider.base_url) == ("openai", "https://api.deepseek.com/v1")
    assert provider.limits.requests_per_minute == 60
    assert found.prices["deepseek-chat"].input == Decimal("0.27")
    assert found.budgets.customer_dollars == Decimal("0.5")
    assert (found.canary.stages, found.canary.margins.errors, found.canary.margins.handoffs) == ((5, 100), 0.02, 0.10)


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    assert read_config(None) == Config() == config(tmp_path, "")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[model]\nfallback = []", "model.fallback is not known; did you mean fallbacks?"),
        ("[modell]", "modell is not known; did you mean model?"),
        ("[colour]", "colour is not known: known here are budgets, canary, model, money, prices, providers."),
        (
            '[providers.a]\nkind = "anthropic"\nbaseurl = "x"',
            "providers.a.baseurl is not known; did you mean base_url?",
        ),
        ('[providers.a]\nkind = "opena"', "providers.a.kind is wrong: input should be 'anthropic' or 'openai'."),
        ('[providers.a]\nbase_url = "http://x"', "providers.a.kind is missing."),
        (
            '[providers.a]\nkind = "openai"\nbase_url = "localhost:1"',
            "providers.a.base_url is wrong: must be an address that begins with http:// or https://.",
        ),
        (
            '[providers.a]\nkind = "openai"\nheaders = { "a b" = "c" }',
            "providers.a.headers.a b is wrong: 'a b' is no name of a header.",
        ),
        (
            "[providers.A]\nkind='openai'",
            "providers.A is wrong: string should match pattern '^[a-z][a-z0-9_-]{0,39}$'.",
        ),
        (
            '[model]\nuse = "deepsek:x"\n[providers.deepseek]\nkind = "openai"',
            "model names the provider 'deepsek', which is not there; did you mean deepseek?",
        ),
        ('[model]\nuse = "haiku"', "model.use is wrong: 'haiku' must be PROVIDER:MODEL"),
        ("[canary]\nstages = [50, 10]", "canary is wrong: stages must rise, for example [10, 30, 50, 100]."),
        ('[canary]\nstage_time = "soon"', "canary.stage_time is wrong:"),
        ("[model]\nfirst_text = -1", "model.first_text is wrong: input should be greater than 0."),
        ('[prices."x"]\ninput = inf\noutput = 1', "prices.x.input is wrong: input should be a finite number."),
        ("[model", "is no TOML: Expected ']'"),
    ],
)
def test_what_is_wrong_is_a_sentence_that_names_the_place(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        config(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'shopdesk.toml'}")
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_or_no_text_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="SHOPDESK_CONFIG names a file that does not exist"):
        read_config(tmp_path / "none.toml")
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        read_config(tmp_path)
    (tmp_path / "a").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="is not UTF-8 text"):
        read_config(tmp_path / "a")
    (tmp_path / "b").write_bytes(b"#" * 300_000)
    with pytest.raises(SettingsError, match="larger than 256 KiB"):
        read_config(tmp_path / "b")
