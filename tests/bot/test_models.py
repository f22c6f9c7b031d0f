"""Names become models: from variables, from `shopdesk.toml`, with a key each, or a sentence that says why not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.config import read_config
from bot.errors import ModelError, SettingsError
from bot.llm.base import Finished, ModelEvent, ModelMessage, ModelRequest, Payer
from bot.logs import secrets_of
from bot.model_check import check_claude, check_models
from bot.models import Models, config_of
from bot.notices import Notice
from bot.settings import Settings, read_settings
from tests.servers.anthropic import AnthropicServer, Fault
from tests.servers.openai import OpenAIServer

NOTICES: list[Notice] = []
QUESTION = ModelRequest(system="", messages=(ModelMessage("user", "Hi"),))


def settings_in(folder: Path, toml: str = "", **variables: str) -> Settings:
    """Settings out of an `.env` and a `shopdesk.toml`."""
    off = {"ANTHROPIC_API_KEY": "", "OPENAI_API_KEY": "", "SHOPDESK_MODEL": ""}
    lines = [f"{name}={value}" for name, value in (off | variables).items()]
    (folder / ".env").write_text("\n".join(lines), encoding="utf-8")
    (folder / "shopdesk.toml").write_text(toml, encoding="utf-8")
    return read_settings(folder / ".env", shopdesk_config=folder / "shopdesk.toml")


@asynccontextmanager
async def models_in(folder: Path, toml: str = "", **variables: str) -> AsyncIterator[Models]:
    settings = settings_in(folder, toml, **variables)
    models = Models(settings, config_of(settings), sentence=lambda key, language: key, notify=NOTICES.append)
    try:
        yield models
    finally:
        await models.close()


async def ask(models: Models, name: str) -> list[ModelEvent]:
    return [event async for event in models.named(name).stream(QUESTION)]


def payer_of(events: list[ModelEvent]) -> Payer:
    assert isinstance(events[-1], Finished)
    return events[-1].payer


@pytest.fixture(autouse=True)
def nothing_told() -> None:
    NOTICES.clear()


@pytest.fixture
async def claude() -> AsyncIterator[AnthropicServer]:
    async with AnthropicServer() as server:
        yield server


@pytest.fixture
async def other() -> AsyncIterator[OpenAIServer]:
    async with OpenAIServer() as server:
        yield server


def toml_for(other: OpenAIServer, more: str = "") -> str:
    return f"""
        [model]
        use = "anthropic:claude-haiku-5-5"
        fallbacks = ["gateway:gpt-4.1-mini", "offline"]
        [providers.gateway]
        kind = "openai"
        base_url = "{other.url}"
        keys_env = "GATEWAY_KEYS"
        conversation_header = "x-session"
        {more}
    """


async def test_the_rungs_are_the_model_then_those_that_stand_in_for_it(
    tmp_path: Path, claude: AnthropicServer, other: OpenAIServer
) -> None:
    variables = {
        "ANTHROPIC_API_KEY": ",".join(claude.keys),
        "ANTHROPIC_BASE_URL": claude.url,
        "GATEWAY_KEYS": ",".join(other.keys),
    }
    async with models_in(tmp_path, toml_for(other), **variables) as models:
        rungs = models.rungs()
        assert [rung.name for rung in rungs] == ["anthropic:claude-haiku-5-5", "gateway:gpt-4.1-mini", "offline"]
        assert models.rungs()[0] is rungs[0]
        assert payer_of(await ask(models, rungs[0].name)) == Payer("anthropic:claude-haiku-5-5", "anthropic key 1")
        assert payer_of(await ask(models, rungs[1].name)) == Payer("gateway:gpt-4.1-mini", "gateway key 1")
        assert list(models.pools) == ["anthropic:claude-haiku-5-5", "gateway:gpt-4.1-mini"]


async def test_a_dead_key_is_replaced_and_told_by_its_label(
    tmp_path: Path, claude: AnthropicServer, other: OpenAIServer
) -> None:
    variables = {"OPENAI_API_KEY": f"sk-wrong,{other.keys[1]}", "OPENAI_BASE_URL": other.url}
    async with models_in(tmp_path, **variables) as models:
        assert payer_of(await ask(models, "openai:gpt-4.1-mini")).key == "openai key 2"
        await ask(models, "openai:deepseek-v4")
        assert [call.status for call in other.calls] == [401, 200, 200], "another model does not try the dead key"
    assert [notice.about for notice in NOTICES] == ["openai key 1"]
    assert "sk-wrong" not in str(NOTICES)


async def test_streams_of_an_endpoint_are_limited_for_all_its_models(tmp_path: Path, other: OpenAIServer) -> None:
    toml = toml_for(other, "streams = 3").replace("anthropic:claude-haiku-5-5", "gateway:deepseek-v4")
    async with models_in(tmp_path, toml, GATEWAY_KEYS=other.keys[0]) as models:
        models.rungs()
        assert models.gates["gateway"].limit == 3
        await ask(models, "gateway:gpt-4.1-mini")


async def test_variables_count_more_than_the_file_and_without_anything_it_is_offline(
    tmp_path: Path, other: OpenAIServer
) -> None:
    named = {"SHOPDESK_MODEL": "gateway:deepseek-v4", "GATEWAY_KEYS": "k"}
    async with models_in(tmp_path, toml_for(other).replace("anthropic:claude-haiku-5-5", "offline"), **named) as models:
        assert models.rungs()[0].name == "gateway:deepseek-v4"
    async with models_in(tmp_path) as models:
        assert [rung.name for rung in models.rungs()] == ["offline"]


async def test_a_provider_that_wants_no_key_is_asked_without_one(tmp_path: Path) -> None:
    async with OpenAIServer.ollama() as small:
        toml = f'[providers.local]\nkind = "openai"\nbase_url = "{small.url}"'
        async with models_in(tmp_path, toml, SHOPDESK_MODEL="local:llama3.2") as models:
            assert payer_of(await ask(models, "local:llama3.2")) == Payer("local:llama3.2", "")


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"SHOPDESK_MODEL": "anthropc:claude-haiku-5-5"}, "there is no provider anthropc: did you mean anthropic?"),
        ({"SHOPDESK_MODEL": "azure-x:y"}, "known are anthropic, gateway, openai and offline"),
        ({"SHOPDESK_MODEL": "anthropic:claude-haiku-5-5"}, "ANTHROPIC_API_KEY is empty"),
        ({"SHOPDESK_MODEL": "openai:gpt-4.1-mini"}, "OPENAI_API_KEY is empty"),
        ({"SHOPDESK_MODEL": "gateway:x"}, "GATEWAY_KEYS is empty"),
        ({"SHOPDESK_MODEL": "gateway:x", "GATEWAY_KEYS": "a b"}, "GATEWAY_KEYS holds characters that no key has"),
    ],
)
async def test_what_cannot_work_is_one_sentence(
    tmp_path: Path, other: OpenAIServer, variables: dict[str, str], words: str
) -> None:
    async with models_in(tmp_path, toml_for(other), **variables) as models:
        with pytest.raises(SettingsError) as caught:
            models.rungs()
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)


async def test_a_built_in_provider_can_be_told_more(tmp_path: Path) -> None:
    async with AnthropicServer(of_2023=True) as gateway:
        gateway.answer("Dạ.")
        table = f'kind = "anthropic"\nbase_url = "{gateway.url}"\nauth = "x-api-key"'
        toml = f'[providers.anthropic]\n{table}\n[model]\neffort = "high"'
        variables = {"ANTHROPIC_API_KEY": gateway.api_key}
        async with models_in(tmp_path, toml, **variables) as models:
            await ask(models, "anthropic:claude-haiku-4-5")
        assert gateway.calls[0].headers["anthropic-version"] == "2023-06-01"
        assert gateway.calls[0].body["output_config"] == {"effort": "high"}


async def test_every_key_of_every_provider_is_checked(
    tmp_path: Path, claude: AnthropicServer, other: OpenAIServer
) -> None:
    settings = settings_in(
        tmp_path,
        toml_for(other) + f'\n[providers.spare]\nkind = "openai"\nbase_url = "{other.url}"\nkeys_env = "SPARE"',
        ANTHROPIC_API_KEY=f"{claude.keys[0]},sk-ant-revoked",
        ANTHROPIC_BASE_URL=claude.url,
        GATEWAY_KEYS=f"{other.keys[0]},{other.keys[1]}",
        SPARE="sk-old",
    )
    results = await check_models(settings)
    assert [(result.name, result.state) for result in results] == [
        ("anthropic:claude-haiku-5-5", "ok"),
        ("anthropic:claude-haiku-5-5", "failed"),
        ("gateway:gpt-4.1-mini", "ok"),
        ("gateway:gpt-4.1-mini", "ok"),
        ("spare", "failed"),
    ]
    assert [result.message[:7] for result in results[:4]] == ["key 1: ", "key 2: "] * 2
    assert "refuses the key (401)" in results[1].message
    assert "SPARE" in results[4].fix
    assert not any(key in repr(results) for key in (*claude.keys, *other.keys, "sk-ant-revoked", "sk-old"))


async def test_a_broken_file_and_a_wrong_provider_are_found_by_the_check(tmp_path: Path, other: OpenAIServer) -> None:
    (broken,) = await check_models(settings_in(tmp_path, "[model]\nuse = 7"))
    assert (broken.name, broken.state) == ("config", "failed")
    (unknown,) = await check_models(settings_in(tmp_path, "", SHOPDESK_MODEL="opnai:x"))
    assert "did you mean openai?" in unknown.message
    (keyless,) = await check_models(settings_in(tmp_path, "", SHOPDESK_MODEL="openai:x"))
    assert keyless.fix == "Set OPENAI_API_KEY in .env."


@pytest.mark.parametrize(
    ("change", "message", "fix"),
    [
        ({"model": "gpt-4.1-mni"}, "no model gpt-4.1-mni", "SHOPDESK_MODEL=openai:gpt-4.1-mini"),
        ({"fault": Fault("html", 200)}, "web page", "OPENAI_BASE_URL"),
        ({"fault": Fault("http", 404, error_type="")}, "404", "OPENAI_BASE_URL"),
        ({"fault": Fault("eof")}, "ended before the answer", "proxy"),
        ({"fault": Fault("http", 529)}, "529", "again"),
        ({"fault": Fault("http", 402)}, "no credit", "billing"),
        ({"url": "http://127.0.0.1:9/v1"}, "nothing listens", "firewall"),
        ({"url": "http://nobody.invalid/v1"}, "name is not found", "HTTPS_PROXY"),
    ],
    ids=range(8),
)
async def test_what_is_wrong_with_a_compatible_endpoint_is_told_apart(
    tmp_path: Path, other: OpenAIServer, change: dict[str, Any], message: str, fix: str
) -> None:
    if "fault" in change:
        other.fault(change["fault"])
    (result,) = await check_models(
        settings_in(
            tmp_path,
            OPENAI_API_KEY=other.keys[0],
            OPENAI_BASE_URL=change.get("url", other.url),
            SHOPDESK_MODEL=f"openai:{change.get('model', 'gpt-4.1-mini')}",
        )
    )
    assert message in result.message
    assert fix in result.fix


async def test_a_compatible_endpoint_that_answers_is_ok(tmp_path: Path, other: OpenAIServer) -> None:
    variables = {"OPENAI_API_KEY": other.keys[0], "OPENAI_BASE_URL": other.url, "SHOPDESK_MODEL": "openai:qwen3:8b"}
    (result,) = await check_models(settings_in(tmp_path, **variables))
    assert (result.name, result.state) == ("openai:qwen3:8b", "ok")
    assert result.data["key"] == "openai key 1"
    other.answer("<think>much to think about")
    (result,) = await check_models(settings_in(tmp_path, **variables))
    assert (result.state, "no word yet" in result.message) == ("ok", True)


async def test_claudes_keys_are_all_tried_and_the_worst_is_told(claude: AnthropicServer) -> None:
    keys = [claude.keys[0], "sk-ant-revoked"]
    result = await check_claude(model="claude-haiku-5-5", api_keys=keys, base_url=claude.url)
    assert (result.state, result.message.startswith("key 2: ")) == ("failed", True)
    result = await check_claude(model="claude-haiku-5-5", api_keys=[], base_url=claude.url)
    assert "ANTHROPIC_API_KEY is empty" in result.message


FAULTS = [
    *(Fault("http", status, message="you sent {key}") for status in (400, 401, 402, 403, 404, 405, 413, 418, 422)),
    *(Fault("http", status, message="you sent {key}", retry_after="1") for status in (408, 429, 500, 503, 529)),
    Fault("sse_error", error_type="authentication_error", message="you sent {key}"),
    Fault("sse_error", error_type="overloaded_error {key}", message="you sent {key}"),
    Fault("html"),
    Fault("eof"),
    Fault("reset", after=-1),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.kind}-{fault.status}")
async def test_no_key_shows_in_an_error_a_log_a_notice_or_a_repr(
    tmp_path: Path,
    claude: AnthropicServer,
    other: OpenAIServer,
    caplog: pytest.LogCaptureFixture,
    fault: Fault,
) -> None:
    caplog.set_level("DEBUG")
    variables = {
        "ANTHROPIC_API_KEY": claude.api_key,
        "ANTHROPIC_BASE_URL": claude.url,
        "OPENAI_API_KEY": other.api_key,
        "OPENAI_BASE_URL": other.url,
    }
    settings = settings_in(tmp_path, **variables)
    async with models_in(tmp_path, **variables) as models:
        for server, name in ((claude, "anthropic:claude-haiku-5-5"), (other, "openai:gpt-4.1-mini")):
            words = {"message": fault.message, "error_type": fault.error_type}
            spelt = {field: text.replace("{key}", server.api_key) for field, text in words.items()}
            server.fault(Fault(**{**_fields(fault), **spelt, "times": None}))
            with pytest.raises(ModelError) as caught:
                await ask(models, name)
            shown = f"{caught.value!r} {caught.value} {caught.getrepr(chain=True, showlocals=False)}"
            pool = models.pools[name]
            shown += f"{pool.states()} {vars(pool)} {vars(models.named(name))} {NOTICES} {models!r} {settings!r}"
            shown += repr(await check_models(settings))
            assert server.api_key not in shown
    assert not any(key in caplog.text for key in (claude.api_key, other.api_key))


def _fields(fault: Fault) -> dict[str, Any]:
    return {name: getattr(fault, name) for name in fault.__slots__}


def test_keys_of_the_file_are_hidden_in_the_log(tmp_path: Path) -> None:
    toml = (
        '[providers.x]\nkind = "openai"\nbase_url = "http://me:hunter2@x.example"\nkeys_env = "MY_KEYS"\n'
        'headers = { "api-key" = "0123456789abcdef", "x-team" = "shop" }'
    )
    settings = settings_in(tmp_path, toml, MY_KEYS="abcd-one,abcd-two")
    assert {"abcd-one", "abcd-two", "0123456789abcdef", "hunter2"} <= secrets_of(settings)
    assert "shop" not in secrets_of(settings)
    assert secrets_of(settings_in(tmp_path, "broken")) is not None


def test_the_example_in_the_readme_is_a_file_that_can_be_used(tmp_path: Path) -> None:
    readme = (Path(__file__).parent.parent.parent / "README.md").read_text(encoding="utf-8")
    example = readme.partition("```toml\n")[2].partition("```")[0]
    (tmp_path / "shopdesk.toml").write_text(example, encoding="utf-8")
    config = read_config(tmp_path / "shopdesk.toml")
    assert config.model.fallbacks
