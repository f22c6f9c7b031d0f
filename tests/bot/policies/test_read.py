import os
import socket
import unicodedata
from pathlib import Path

import pytest

from bot.errors import PromptsError
from bot.policies.check import read_prompts
from tests.bot.policies.shop import RETURNS, good_files, write

SAVE = "Save it again as UTF-8: editors ask for the encoding under “Save as”."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "prompts", good_files())


def problems(folder: Path) -> list[str]:
    with pytest.raises(PromptsError) as caught:
        read_prompts(folder)
    return str(caught.value).split("\n")


def test_a_folder_is_read(folder: Path) -> None:
    prompts = read_prompts(folder)

    assert dict(prompts.files) == good_files()


def test_a_byte_order_mark_windows_line_ends_and_nfd_are_read_as_the_same_text(folder: Path) -> None:
    other = unicodedata.normalize("NFD", RETURNS).replace("\n", "\r\n")
    (folder / "policies/vi/returns.md").write_bytes(b"\xef\xbb\xbf" + other.encode())

    assert read_prompts(folder).files["policies/vi/returns.md"] == RETURNS


def test_hidden_files_backups_and_a_readme_are_left_out(folder: Path) -> None:
    write(folder, {".DS_Store": b"\xff", "policies/vi/returns.md~": "x", "#system.md#": "x", "README.md": "x"})
    write(folder, {".git/config": "x", "policies/vi/.returns.md.swp": b"\0"})

    assert dict(read_prompts(folder).files) == good_files()


def test_a_missing_folder_is_one_sentence(tmp_path: Path) -> None:
    assert problems(tmp_path / "nowhere") == [
        f"{tmp_path}/nowhere: this folder does not exist. Set SHOPDESK_PROMPTS to the folder that holds system.md."
    ]


def test_a_file_instead_of_the_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "prompts").write_text("x")

    assert problems(tmp_path / "prompts") == [
        f"{tmp_path}/prompts: this is no folder. Set SHOPDESK_PROMPTS to the folder that holds system.md."
    ]


def test_an_empty_folder_names_all_that_is_missing(tmp_path: Path) -> None:
    assert [line.split(": ")[0].removeprefix(f"{tmp_path}/") for line in problems(tmp_path)] == [
        "policies",
        "sentences/vi.toml",
        "staff.md",
        "system.md",
    ]


def test_text_that_is_not_utf8_is_named_with_its_line(folder: Path) -> None:
    (folder / "policies/vi/returns.md").write_bytes(RETURNS.encode().replace(b"## Ph", b"\xff## Ph"))

    assert problems(folder) == [
        f"{folder}/policies/vi/returns.md:11: this is not UTF-8 text (it holds the byte 0xFF). {SAVE}"
    ]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_an_editors_other_encoding_is_named(folder: Path, encoding: str) -> None:
    (folder / "system.md").write_bytes("Be kind, answer in Vietnamese: đổi trả.".encode(encoding))

    assert problems(folder) == [f"{folder}/system.md: this is {encoding[:6].upper()} text. {SAVE}"]


def test_zeros_in_a_text_are_no_other_encoding(folder: Path) -> None:
    (folder / "system.md").write_bytes(b"Be\0 kind.")

    assert problems(folder)[0].startswith(f"{folder}/system.md:1: there is an invisible control character (U+0000).")


def test_names_that_only_some_systems_tell_apart_are_one_too_many(folder: Path) -> None:
    write(folder, {"policies/vi/Returns.md": RETURNS, "Policies/vi/x.md": RETURNS})

    fix = "Keep one of the two."
    assert problems(folder) == [
        f"{folder}/Policies: this name is “policies” on systems that do not tell a from A. {fix}",
        f"{folder}/policies/vi/Returns.md: this name is “returns.md” on systems that do not tell a from A. {fix}",
    ]


def test_a_folder_with_the_name_of_a_file_is_named_though_it_is_empty(folder: Path) -> None:
    (folder / "policies/vi/returns.md").unlink()
    (folder / "policies/vi/returns.md").mkdir()

    assert problems(folder) == [
        f"{folder}/policies/vi/returns.md: this is a folder where a file belongs. Put a text file of this name here."
    ]


def test_a_socket_and_a_device_are_no_ordinary_files(folder: Path) -> None:
    (folder / "policies/vi/returns.md").unlink()
    inside = os.open(folder / "policies/vi", os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(f"/proc/self/fd/{inside}/returns.md")  # a socket's name must be short
    os.close(inside)

    assert problems(folder) == [f"{folder}/policies/vi/returns.md: this is no ordinary file. Put a text file here."]


def test_a_hard_link_is_the_file_that_it_is(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text(RETURNS.replace("7 ngày", "15 ngày"), encoding="utf-8")
    (folder / "policies/vi/returns.md").unlink()
    (folder / "policies/vi/returns.md").hardlink_to(tmp_path / "other.md")

    assert "15 ngày" in read_prompts(folder).sections[0].text


def test_a_symbolic_link_is_refused_wherever_it_leads(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(RETURNS)
    (folder / "policies/vi/secret.md").symlink_to(tmp_path / "secret")
    (folder / "policies/en").symlink_to(folder / "policies/vi")
    (folder / "policies/vi/gone.md").symlink_to("/nowhere")

    assert problems(folder) == [
        f"{folder}/policies/en: this is a symbolic link. Put the file itself here.",
        f"{folder}/policies/vi/gone.md: this is a symbolic link. Put the file itself here.",
        f"{folder}/policies/vi/secret.md: this is a symbolic link. Put the file itself here.",
    ]


def test_a_folder_may_itself_be_reached_by_a_link(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)

    assert dict(read_prompts(tmp_path / "link").files) == good_files()


def test_a_pipe_does_not_hold_the_program_up(folder: Path) -> None:
    os.mkfifo(folder / "policies/vi/pipe.md")

    assert problems(folder) == [f"{folder}/policies/vi/pipe.md: this is no ordinary file. Put a text file here."]


def test_a_file_and_a_folder_without_permission_are_named(folder: Path) -> None:
    (folder / "system.md").chmod(0)
    (folder / "sentences").chmod(0)
    try:
        if os.access(folder / "system.md", os.R_OK):
            pytest.skip("this user may read everything")
        assert problems(folder) == [
            f"{folder}/sentences: this cannot be read: permission denied. Let the bot's user read it.",
            f"{folder}/system.md: this cannot be read: permission denied. Let the bot's user read it.",
        ]
    finally:
        (folder / "sentences").chmod(0o700)


def test_a_file_over_1_mib_is_refused(folder: Path) -> None:
    (folder / "policies/vi/big.md").write_bytes(b"x" * (10 * 1024 * 1024))

    assert problems(folder) == [
        f"{folder}/policies/vi/big.md: this file is larger than 1 MiB. Split it, or move it away."
    ]


def test_a_folder_over_10_mib_is_refused_as_a_whole(folder: Path) -> None:
    write(folder, {f"policies/vi/p{number}.md": b"x" * (1024 * 1024) for number in range(11)})

    assert problems(folder) == [f"{folder}: the files are larger than 10 MiB together. Move other files away."]


def test_a_folder_of_too_many_files_is_refused_as_a_whole(folder: Path) -> None:
    for number in range(2001):
        (folder / f"policies/vi/p{number}.md").touch()

    assert problems(folder) == [f"{folder}: there are more than 2000 files in this folder. Move other files away."]


def test_folders_in_folders_in_folders_are_refused(folder: Path) -> None:
    write(folder, {"policies/vi/a/b/c/d/e/f/x.md": RETURNS})

    assert problems(folder) == [
        f"{folder}/policies/vi/a/b: folders are nested too deeply. Policies are policies/LANGUAGE/NAME.md."
    ]


def test_a_name_that_is_no_text_or_hides_something_is_shown_without_it(folder: Path) -> None:
    (folder / "policies/vi/a\nb\u202e.md").write_text(RETURNS)
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.md")).write_text(RETURNS)

    assert [line.split(": ")[0].removeprefix(f"{folder}/") for line in problems(folder)] == [
        "policies/vi/a b.md",
        "\ufffd.md",
    ]


def test_an_alias_bomb_is_refused_before_it_grows(folder: Path) -> None:
    bomb = "\n".join(
        f"k{number}: &a{number} [" + ",".join([f"*a{number - 1}" if number else "x"] * 9) + "]" for number in range(30)
    )
    (folder / "policies/vi/bomb.md").write_text(f"---\n{bomb}\n---\n## A\n\nb\n")

    found = problems(folder)
    assert found[0].startswith(f"{folder}/policies/vi/bomb.md:2: the front matter is no valid YAML: anchors (&)")


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("policies/vi/x.md", "---\ntitle: A\n---\n## A\n\nb" + "\u0301\u0323" * 200_000),
        ("policies/vi/x.md", "---\ntitle: A\n---\n" + "# A\n" * 250_000),
        ("policies/vi/x.md", "---\ntitle: A\n---\n# " + " " * 1_000_000 + "x"),
        ("policies/vi/x.md", "---\ntitle: A\n---\n#" + " #" * 500_000),
        ("policies/vi/x.md", "---\ntitle: A\n---\n" + "[" * 1_000_000),
        ("policies/vi/x.md", "---\ntitle: A\n---\n" + "[](" * 300_000),
        ("policies/vi/x.md", "---\ntitle: A\n---\n" + "`" * 1_000_000),
        ("policies/vi/x.md", "---\n" + "[" * 1_000_000 + "\n---\n"),
        ("policies/vi/x.md", "---\n" * 250_000),
        ("policies/vi/x.md", "\u202e\n" * 250_000),
        ("sentences/en.toml", "a." * 500_000 + "a = 'x'"),
        ("sentences/en.toml", "a = " + "[" * 1_000_000),
        ("sentences/en.toml", 'a = "' + "\\" * 1_000_000),
        ("sentences/en.toml", 'a = """' + '"" ' * 300_000),
        ("sentences/en.toml", "".join(f"a{number} = 'x'\n" for number in range(70_000))),
        ("sentences/en.toml", " " * 1_000_000 + "x"),
    ],
)
def test_a_file_made_to_be_slow_is_refused_quickly(folder: Path, name: str, data: str) -> None:
    write(folder, {name: data})

    assert problems(folder)[0].startswith(f"{folder}/{name}")
