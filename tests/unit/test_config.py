"""config: configs/ and overrides -> frozen dataclasses."""

import contextlib
import dataclasses
from dataclasses import dataclass

import pytest
import yaml  # type: ignore[import-untyped]
from hypothesis import example, given
from hypothesis import settings as sampling
from hypothesis import strategies as st

from beholder import command_index, config
from beholder.config import required, setting
from beholder.encoder import EncoderConfig
from beholder.errors import BeholderError, ConfigError


@dataclass(frozen=True)
class Limits:
    most: int = setting(10, "the most there may be")

    def __post_init__(self) -> None:
        if self.most < 1:
            raise ConfigError(f"limits.most must be at least 1, got {self.most}")


@dataclass(frozen=True)
class Settings:
    source: str = required("where from")
    note: str | None = setting(None, "anything")
    learning_rate: float = setting(0.1, "how fast")
    on: bool = setting(False, "whether")
    names: list[str] = setting(["a", "b"], "which")
    limits: Limits = setting(Limits(), "how much")
    encoder: EncoderConfig = setting(EncoderConfig(), "which CLIP")
    workspace: str = setting("workspace", "where")


def load(*overrides: str, command: str = "embed") -> Settings:
    return config.load(Settings, command=command, overrides=overrides)


def test_defaults_and_overrides():
    found = load("source=x", "learning_rate=3e-3", "on=true", "names=[c]", "limits.most=3")
    assert (found.source, found.learning_rate, found.on, found.names, found.limits) == ("x", 3e-3, True, ["c"], Limits(3))
    assert (found.note, found.workspace) == (None, "workspace")
    assert type(found.limits) is Limits
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.limits.most = 4  # type: ignore[misc]


def test_a_group_brings_its_values_and_single_ones_go_on_top():
    found = load("source=x", "encoder=siglip2_b_16", "encoder.size=256")
    assert (found.encoder.model, found.encoder.resize, found.encoder.size) == ("ViT-B-16-SigLIP2", "squash", 256)
    assert load("source=x").encoder.model == "data:open_clip/portraits.json"
    assert load("encoder.size=256", "source=x", "encoder=vit_l_14").encoder.size == 256


def test_a_command_without_a_file_of_its_own():
    assert load("source=x", command="import").encoder == EncoderConfig()


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("lerning_rate=1", "lerning_rate is not a setting of embed; did you mean learning_rate?"),
        ("limits.mots=1", "limits.mots is not a setting of embed; did you mean limits.most?"),
        ("limits=3", "limits is a group of settings; set one of them: limits.<name>=value"),
        ("encoder=vit_b_23", "encoder=vit_b_23 is not a choice; did you mean vit_b_32?"),
        ("encoder=", "encoder= is not a choice; known:"),
        ("source", "'source' is not of the form key=value"),
        ("limits.most=0", "limits.most must be at least 1, got 0"),
        ("limits.most=many", "limits.most: expected a whole number, got many"),
        ("limits.most=1.5", "limits.most: expected a whole number, got 1.5"),
        ("on=perhaps", "on: expected true or false, got perhaps"),
        ("learning_rate=null", "learning_rate"),
        ("encoder.precision=fp8", "encoder.precision must be auto, fp32, bf16 or fp16, got 'fp8'"),
        ("names=[", "names: expected a list, such as names="),
        ("+source=x", "+source is not a setting of embed; did you mean source?"),
        ("~source=x", "~source is not a setting"),
        ("hydra.run.dir=x", "hydra.run.dir is not a setting"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_setting(override, says):
    with pytest.raises(ConfigError) as caught:
        load("source=x", override)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_required_value():
    with pytest.raises(ConfigError, match=r"embed needs source=\.\.\.; see beholder embed --help"):
        load()


@pytest.mark.parametrize(
    "text",
    ["a=b", "s3://x/y?region=z", "{1}", "[x]", "a, b", "'quoted", '"', "1e5", "007", "true", "", "ü 🙂", "a#b", "x: y", "$HOME"],
)
def test_text_is_taken_as_typed(text):
    assert load(f"source={text}").source == text


@pytest.mark.parametrize("text", ["${workspace}", "${oc.env:HOME}", "a${b", "\\${x}", "\\\\${x}\\", "${${a}}"])
def test_text_that_the_grammar_below_would_read_its_own_way(text):
    found = load(f"source={text}", f"note={text}")
    assert (found.source, found.note) == (text, text)
    assert yaml.safe_load(config.dump(found))["source"] == text


def test_null_is_nothing_only_where_nothing_may_be():
    assert load("source=x", "note=null").note is None
    assert load("source=null").source == "null"


@sampling(max_examples=15, deadline=None)
@given(key=st.sampled_from(["limits.most", "learning_rate", "on", "names", "note", "encoder"]), value=st.text(max_size=12))
@example(key="limits.most", value="1,2")
@example(key="names", value="[[a]]")
@example(key="limits.most", value="${x}")
@example(key="learning_rate", value="sweep(1)")
@example(key="note", value="???")
@example(key="names", value="null")
@example(key="on", value="$")
def test_whatever_is_typed_is_a_value_or_a_mistake(key, value):
    with contextlib.suppress(BeholderError):
        load("source=x", f"{key}={value}")


def test_specs_tell_every_setting():
    found = {spec.key: spec for spec in config.setting_specs(Settings, command="embed")}
    assert found["source"].default == "required"
    assert found["note"].default == "null"
    assert found["on"].default == "false"
    assert found["learning_rate"] == config.SettingSpec("learning_rate", "float", "0.1", "how fast")
    assert found["limits.most"].help == "the most there may be"
    assert found["encoder"].default == "portraits"
    assert {"vit_b_16", "siglip2_b_16"} <= set(found["encoder"].choices)
    assert found["encoder.model"].default == "data:open_clip/portraits.json"
    assert "limits" not in found


def test_dump_writes_out_every_value_and_can_be_read_again():
    found = load("source=x", "limits.most=3")
    assert yaml.safe_load(config.dump(found)) == dataclasses.asdict(found)


def test_every_choice_of_every_group_builds():
    for choice in config.groups()["encoder"]:
        assert load("source=x", f"encoder={choice}").encoder.name == choice


@pytest.mark.parametrize("choice", config.groups()["encoder"])
def test_a_choice_is_given_to_another_command_by_its_name(choice):
    assert config.choice_overrides("encoder", load("source=x", f"encoder={choice}").encoder) == [f"encoder={choice}"]


def test_settings_under_a_name_that_no_choice_has_are_given_to_another_command_in_few_words():
    more = ["encoder.name=own", "encoder.weights=random", "encoder.mean=[0.5,0.25,0]", "encoder.quick_gelu=true"]
    given = load("source=x", "encoder=vit_l_14", *more).encoder
    words = config.choice_overrides("encoder", given)
    assert words[0] == "encoder=vit_l_14"
    assert len(words) == 5
    assert load("source=x", *words).encoder == given


def refused(command: str, choice: str) -> str:
    """Why a command can't be given a choice; "" where it can."""
    settings = command_index.settings_type(command_index.commands()[command].load())
    try:
        config.load(settings, command=command, overrides=[choice])
    except ConfigError as error:
        return str(error)
    return ""


def test_every_choice_that_a_command_offers_can_be_chosen():
    done = set()
    for command in command_index.commands():
        for spec in command_index.reference(command).settings:
            # what a command itself refuses, or still needs, is found after the choice was made
            new = [choice for choice in spec.choices if (spec.key, choice) not in done] or spec.choices[-1:]
            for choice in new:
                assert "Could not override" not in refused(command, f"{spec.key}={choice}")
                done.add((spec.key, choice))
    assert done >= {("encoder", choice) for choice in config.groups()["encoder"]} | {("taste", "lora")}


def test_defaults_are_not_shared():
    one, other = Settings(source="x"), Settings(source="x")
    assert one.names is not other.names


def test_loading_leaves_nothing_behind():
    from hydra.core.global_hydra import GlobalHydra

    load("source=x")
    assert not GlobalHydra.instance().is_initialized()
