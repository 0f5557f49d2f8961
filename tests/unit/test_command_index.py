"""command_index: what help says of every command; every example can be typed; names are never broken."""

import re
import shlex

import pytest

from beholder import cli, command_help, command_index, config

NAMES = sorted(command_index.commands())


@pytest.fixture(scope="module")
def about():
    """about(name): the reference of a command, read once."""
    return {name: command_index.reference(name) for name in NAMES}.__getitem__


def test_every_command_is_in_a_group():
    assert {command.group for command in command_index.commands().values()} == set(command_index.GROUPS) - {"other"}


@pytest.mark.parametrize("name", NAMES)
def test_every_command_has_two_examples_that_compose_its_settings(about, name):
    examples = about(name).examples
    assert len(examples) >= 2
    for example in examples:
        line = re.sub(r'^eval "\$\((.*)\)"$', r"\1", example).partition(" > ")[0]
        program, *words = shlex.split(line)
        assert program == "beholder"
        assert cli.parse(words)[0] == name
        if name == "submit":
            cli.parse(cli.parse(words)[2])


@pytest.mark.parametrize("name", NAMES)
def test_all_tells_every_setting_with_default_and_meaning(about, name):
    text = command_help.command(name, all=True, width=100)
    words = " ".join(text.split())
    for spec in about(name).settings:
        assert spec.help, f"{spec.key} has no help"
        assert re.search(rf"^  {re.escape(spec.key)}=", text, re.MULTILINE)
        assert " ".join(spec.help.split()[-3:]) in words


@pytest.mark.parametrize("name", NAMES)
def test_common_settings_come_first_and_are_few(about, name):
    shown = about(name).common
    assert set(shown) <= {spec.key for spec in about(name).settings}
    assert {spec.key for spec in about(name).settings if spec.default == "required"} <= set(shown)
    assert len(shown) <= 14


@pytest.mark.parametrize("width", [60, 80])
@pytest.mark.parametrize("name", NAMES)
def test_no_name_is_broken_in_a_narrow_terminal(about, name, width):
    text = command_help.command(name, all=True, width=width)
    lines = [line for line in text.splitlines() if not line.startswith("  beholder ")]  # examples can be copied whole
    for spec in about(name).settings:
        (line,) = [line for line in lines if line.startswith(f"  {spec.key}=")]
        assert len(line) <= width or spec.key in line.split()[0]


@pytest.mark.parametrize("width", [60, 80])
def test_the_overview_fits_a_narrow_terminal(width):
    assert max(map(len, command_help.overview(width=width).splitlines())) <= width


def test_bold_only_where_it_is_asked_for():
    assert "\x1b" not in command_help.overview(width=80) + command_help.command("runs", all=True, width=80)
    assert "\x1b[1mruns\x1b[0m" in command_help.overview(width=80, styled=True)


def test_settings_keep_the_order_and_kind_of_their_dataclass(about):
    specs = {spec.key: spec for spec in about("edit").settings}
    assert specs["out"] == config.SettingSpec("out", "str", "required", specs["out"].help)
    assert list(specs)[:2] == ["image", "seed"]
