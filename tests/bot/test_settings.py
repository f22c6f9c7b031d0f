"""Settings: where they come from, and that a wrong one is a sentence which names it."""

import os
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.errors import SettingsError
from bot.settings import DEFAULT_MODEL, Settings, read_settings

TOKEN = "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw0"


@pytest.fixture(autouse=True)
def environment() -> Iterator[dict[str, str]]:
    """The variables of this process, without any setting of ours; what a test sets is taken back."""
    before = dict(os.environ)
    for name in Settings.model_fields:
        os.environ.pop(name.upper(), None)
    yield os.environ  # type: ignore[misc]
    os.environ.clear()
    os.environ.update(before)


def settings_of(tmp_path: Path, text: str) -> Settings:
    path = tmp_path / ".env"
    path.write_text(text, encoding="utf-8")
    return read_settings(path)


def test_with_nothing_set_the_program_can_start() -> None:
    settings = read_settings(None)
    assert settings.telegram_bot_token is None
    assert settings.model == "offline"
    assert settings.web_address == ("127.0.0.1", 8080)
    assert (settings.shopdesk_data, settings.shopdesk_prompts) == (Path("data"), Path("prompts"))


def test_a_missing_env_file_is_no_error(tmp_path: Path) -> None:
    assert read_settings(tmp_path / ".env") == read_settings(None)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("TELEGRAM_API_URL=api.telegram.org", "TELEGRAM_API_URL"),
        ("TELEGRAM_API_URL=http://", "TELEGRAM_API_URL"),
        ("TELEGRAM_API_URL=http://host:port", "TELEGRAM_API_URL"),
        ("TELEGRAM_PROXY_URL=ftp://127.0.0.1", "TELEGRAM_PROXY_URL"),
        ("TELEGRAM_PROXY_URL=127.0.0.1:1080", "TELEGRAM_PROXY_URL"),
        ("TELEGRAM_WEBHOOK_URL=shop.example", "TELEGRAM_WEBHOOK_URL"),
        ("TELEGRAM_CALLS_PER_SECOND=0", "TELEGRAM_CALLS_PER_SECOND"),
        ("TELEGRAM_CALLS_PER_SECOND=fast", "TELEGRAM_CALLS_PER_SECOND"),
        ("SHOPDESK_BURST_WAIT=-1", "SHOPDESK_BURST_WAIT"),
        ("SHOPDESK_BURST_WAIT=10.1", "SHOPDESK_BURST_WAIT"),
        ("SHOPDESK_BURST_WAIT=nan", "SHOPDESK_BURST_WAIT"),
        ("SHOPDESK_BURST_WAIT=soon", "SHOPDESK_BURST_WAIT"),
        ("DISCORD_API_URL=discord.com", "DISCORD_API_URL"),
        ("DISCORD_GATEWAY_URL=https://gateway.discord.gg", "DISCORD_GATEWAY_URL"),
        ("DISCORD_STAFF_ROLE_ID=@staff", "DISCORD_STAFF_ROLE_ID"),
        ("DISCORD_STAFF_ROLE_ID=-5", "DISCORD_STAFF_ROLE_ID"),
        ("DISCORD_TICKETS_CHANNEL_ID=#tickets", "DISCORD_TICKETS_CHANNEL_ID"),
        ("ANTHROPIC_BASE_URL=api.anthropic.com", "ANTHROPIC_BASE_URL"),
        ("ANTHROPIC_BASE_URL=http://[::1", "ANTHROPIC_BASE_URL"),
        ("SHOPDESK_MODEL=claude-haiku-5-5", "SHOPDESK_MODEL"),
        ("SHOPDESK_MODEL=anthropic:", "SHOPDESK_MODEL"),
        ("SHOPDESK_WEB=8080", "SHOPDESK_WEB"),
        ("SHOPDESK_WEB=:8080", "SHOPDESK_WEB"),
        ("SHOPDESK_WEB=127.0.0.1:65536", "SHOPDESK_WEB"),
        ("SHOPDESK_WEB=127.0.0.1:http", "SHOPDESK_WEB"),
        ("SHOPDESK_LANGUAGE=fr", "SHOPDESK_LANGUAGE"),
        ("SHOPDESK_TIMEZONE=Saigon", "SHOPDESK_TIMEZONE"),
        ("SHOPDESK_TIMEZONE=../../etc/passwd", "SHOPDESK_TIMEZONE"),
        ("SHOPDESK_TIMEZONE=Asia", "SHOPDESK_TIMEZONE"),
        ("SHOPDESK_LOG_LEVEL=loud", "SHOPDESK_LOG_LEVEL"),
        ("TELEGRAM_STREAM=drafts", "TELEGRAM_STREAM"),
        ("SHOPDESK_GROWING_MARK=**", "SHOPDESK_GROWING_MARK"),
        ("SHOPDESK_GROWING_MARK=-", "SHOPDESK_GROWING_MARK"),
        ("SHOPDESK_GROWING_MARK=1.", "SHOPDESK_GROWING_MARK"),
        ("SHOPDESK_GROWING_MARK=▌ ▌", "SHOPDESK_GROWING_MARK"),
        ("SHOPDESK_GROWING_MARK=▌▌▌▌▌", "SHOPDESK_GROWING_MARK"),
    ],
)
def test_a_wrong_value_is_one_sentence_that_names_the_variable(tmp_path: Path, line: str, name: str) -> None:
    with pytest.raises(SettingsError) as found:
        settings_of(tmp_path, line)
    sentence = str(found.value)
    assert sentence.startswith(f"{name} is wrong: ")
    assert sentence.endswith(".")
    assert "\n" not in sentence


def test_several_wrong_values_are_told_one_a_line(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as found:
        settings_of(tmp_path, "SHOPDESK_LANGUAGE=fr\nSHOPDESK_WEB=nowhere\n")
    lines = str(found.value).splitlines()
    assert [line.split()[0] for line in lines] == ["SHOPDESK_WEB", "SHOPDESK_LANGUAGE"]


def test_a_wrong_secret_is_not_repeated_in_the_sentence(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as found:
        settings_of(tmp_path, "TELEGRAM_PROXY_URL=gopher://user:hunter2@proxy")
    assert "hunter2" not in str(found.value)


def test_the_environment_counts_more_than_the_file(tmp_path: Path, environment: dict[str, str]) -> None:
    environment["SHOPDESK_LANGUAGE"] = "en"
    settings = settings_of(tmp_path, "SHOPDESK_LANGUAGE=vi\nSHOPDESK_WEB=off\n")
    assert settings.shopdesk_language == "en"
    assert settings.web_address is None


def test_an_empty_variable_counts_as_unset(tmp_path: Path, environment: dict[str, str]) -> None:
    environment["TELEGRAM_BOT_TOKEN"] = ""
    settings = settings_of(
        tmp_path, f"TELEGRAM_BOT_TOKEN={TOKEN}\nSHOPDESK_WEB=\nANTHROPIC_API_KEY=\nSHOPDESK_MODEL=  \n"
    )
    assert settings.telegram_bot_token is not None
    assert settings.web_address == ("127.0.0.1", 8080)
    assert settings.anthropic_api_key == ()
    assert settings.model == "offline"


def test_white_space_around_a_value_is_no_part_of_it(environment: dict[str, str]) -> None:
    environment["TELEGRAM_BOT_TOKEN"] = f" {TOKEN}\n"
    environment["SHOPDESK_LANGUAGE"] = " en "
    settings = read_settings(None)
    assert settings.telegram_bot_token
    assert settings.telegram_bot_token.get_secret_value() == TOKEN
    assert settings.shopdesk_language == "en"


def test_several_keys_are_separated_by_commas(environment: dict[str, str]) -> None:
    environment["ANTHROPIC_API_KEY"] = " key-one, key-two,,"
    settings = read_settings(None)
    assert [key.get_secret_value() for key in settings.anthropic_api_key] == ["key-one", "key-two"]
    assert settings.model == DEFAULT_MODEL


@pytest.mark.parametrize("mark", ["▌", "…", "...", "✍️", "⏳", "●●●"])
def test_a_growing_mark_is_a_sign(tmp_path: Path, mark: str) -> None:
    assert settings_of(tmp_path, f"SHOPDESK_GROWING_MARK={mark}").shopdesk_growing_mark == mark


def test_a_model_that_is_named_counts_more_than_the_key(environment: dict[str, str]) -> None:
    environment |= {"ANTHROPIC_API_KEY": "key", "SHOPDESK_MODEL": "offline"}
    assert read_settings(None).model == "offline"


def test_an_address_has_no_slash_at_its_end(environment: dict[str, str]) -> None:
    environment["ANTHROPIC_BASE_URL"] = "https://gateway.example/v1/"
    assert read_settings(None).anthropic_base_url == "https://gateway.example/v1"


@pytest.mark.parametrize(
    ("value", "address"),
    [("0.0.0.0:80", ("0.0.0.0", 80)), ("[::1]:8080", ("::1", 8080)), ("localhost:0", ("localhost", 0))],
)
def test_the_web_address_has_a_host_and_a_port(
    environment: dict[str, str], value: str, address: tuple[str, int]
) -> None:
    environment["SHOPDESK_WEB"] = value
    assert read_settings(None).web_address == address


def test_no_secret_is_in_what_the_settings_print(environment: dict[str, str]) -> None:
    environment |= {
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "TELEGRAM_PROXY_URL": "socks5://user:hunter2@127.0.0.1:1080",
        "TELEGRAM_WEBHOOK_SECRET": "webhook-secret",
        "DISCORD_BOT_TOKEN": "discord-token",
        "ANTHROPIC_API_KEY": "key-one,key-two",
    }
    settings = read_settings(None)
    printed = f"{settings} {settings!r} {settings.model_dump()} {settings.model_dump_json()}"
    for secret in (TOKEN, "hunter2", "webhook-secret", "discord-token", "key-one", "key-two"):
        assert secret not in printed


def test_a_file_that_is_not_utf8_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_bytes("SHOPDESK_LANGUAGE=vi # tiếng Việt".encode("utf-16"))
    with pytest.raises(SettingsError, match="is not UTF-8 text"):
        read_settings(path)


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    assert settings_of(tmp_path, "\ufeffSHOPDESK_LANGUAGE=en\n").shopdesk_language == "en"


def test_what_is_not_ours_is_passed_over(tmp_path: Path) -> None:
    assert settings_of(tmp_path, "PATH_TO_SOMETHING=1\n# a comment\nexport SHOPDESK_WEB=off\n").web_address is None


def test_the_example_names_every_setting_and_can_be_used_as_it_is() -> None:
    path = Path(__file__).parent.parent.parent / ".env.example"
    named = set(re.findall(r"^(?:# )?([A-Z_]+)=", path.read_text(encoding="utf-8"), re.MULTILINE))
    assert named == {name.upper() for name in Settings.model_fields}
    assert read_settings(path).model_dump() == read_settings(None).model_dump()


def test_hosts_for_links_are_separated_by_commas(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    env.write_text("SHOPDESK_LINK_HOSTS= shop.example , *\n")
    assert read_settings(env).shopdesk_link_hosts == ("shop.example", "*")
    env.write_text("SHOPDESK_LINK_HOSTS=https://shop.example/a\n")
    with pytest.raises(SettingsError, match="SHOPDESK_LINK_HOSTS is wrong: must be names of hosts"):
        read_settings(env)


def test_a_long_wait_is_a_span_that_clocks_can_tell(tmp_path: Path) -> None:
    assert settings_of(tmp_path, "SHOPDESK_STALE_AFTER=2d").stale_after == timedelta(days=2)
    for text, words in (("6", "must be a number of minutes, hours or days, for example 90m"), ("9m", "10m or more")):
        with pytest.raises(SettingsError, match=f"SHOPDESK_STALE_AFTER is wrong: .*{words}"):
            settings_of(tmp_path, f"SHOPDESK_STALE_AFTER={text}")


def test_the_desk_has_its_rules(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, "SHOPDESK_DESK_QUIET=2d\nSHOPDESK_STAFF_REPLIES=command\nSHOPDESK_STAFF_NAME=shop")
    assert settings.desk_quiet == timedelta(days=2)
    assert (settings.shopdesk_staff_replies, settings.shopdesk_staff_name) == ("command", "shop")
    with pytest.raises(SettingsError, match="SHOPDESK_DESK_QUIET is wrong: must be 5m or more"):
        settings_of(tmp_path, "SHOPDESK_DESK_QUIET=1m")
