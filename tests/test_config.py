"""Settings: the valid ranges, where values come from and which wins, and slips named."""

import pytest

from sonic_stream.config import OPTIONS, PRESET, SettingWords, check_value, load, map_steps, settle
from sonic_stream.errors import BadInputError
from sonic_stream.types import Controls, PortraitSettings


def test_nothing_given_is_the_defaults_of_the_types():
    settings = settle({})
    assert settings.controls == Controls() and settings.portrait == PortraitSettings()
    assert settings.device == "auto" and settings.notes == ()


@pytest.mark.parametrize("name", OPTIONS)
def test_the_ends_of_every_range_are_valid_and_beyond_is_not(name):
    option = OPTIONS[name]
    if option.choices:
        for choice in option.choices:
            assert check_value(name, str(choice)) == choice
        outside = ["511", ""]
    elif option.kind is bool:
        assert [check_value(name, value) for value in (True, "yes", "0", False)] == [True, True, False, False]
        outside = ["maybe", "", 2, None]
    else:
        assert check_value(name, option.low) == option.low
        assert check_value(name, str(int(option.high))) == option.high
        outside = [option.low - 1, max(option.high, 100) + 1, "x", "", "nan", float("nan"), None, True, [1]]
    for value in outside:
        with pytest.raises(BadInputError) as caught:
            check_value(name, value)
        assert option.valid() in str(caught.value) and name in str(caught.value)


def test_the_python_words_are_the_settings():
    assert list(SettingWords.__annotations__) == [*OPTIONS, PRESET]


def test_whole_numbers_stay_whole():
    assert check_value("seed", 3.0) == 3
    with pytest.raises(BadInputError, match="a whole number from 1 to 8"):
        check_value("inference_steps", 2.5)


@pytest.mark.parametrize(
    ("old", "ours"), [(1, 1), (8, 8), (9, 1), (20, 3), (25, 4), (30, 5), (50, 8), (100, 8)]
)
def test_steps_of_old_recipes_are_mapped_and_said(old, ours):
    steps, note = map_steps(old)
    assert steps == ours
    assert (note is None) == (old <= 8)
    if note:
        assert str(old) in note and str(ours) in note
        assert settle({"inference_steps": old}).notes == (note,)


@pytest.mark.parametrize(("ratio", "words"), [(0.05, "ears"), (0.5, "not the face"), (0.1, ""), (0.3, "")])
def test_unusual_margins_are_followed_with_advice(ratio, words):
    settings = settle({"expand_ratio": ratio})
    assert settings.portrait.expand_ratio == ratio
    assert len(settings.notes) == bool(words) and words in "".join(settings.notes)


def test_the_later_source_wins(tmp_path):
    file = tmp_path / "sonic.toml"
    file.write_text("seed = 1\ndynamic_scale = 1.1\nmotion_scale = 0.4\nmin_resolution = 768\n")
    environment = {"SONIC_STREAM_SEED": "2", "SONIC_STREAM_DYNAMIC_SCALE": "1.2", "HOME": "/"}
    settings = load({"seed": "3"}, file, environment)
    assert settings.controls == Controls(dynamic_scale=1.2, motion_scale=0.4, seed=3)
    assert settings.portrait.min_resolution == 768
    named = load({}, None, {"SONIC_STREAM_CONFIG": str(file)})
    assert named.controls.seed == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("dynamic_scael = 1", "did you mean 'dynamic_scale'"),
        ("zzzz = 1", "there are dynamic_scale"),
        ("seed = -1", "from .*sonic.toml.* a whole number from 0"),
        ("seed = ", "not valid TOML"),
        ("[render]\nseed = 1", "no setting 'render'"),
    ],
)
def test_slips_in_the_file_are_named(tmp_path, text, words):
    file = tmp_path / "sonic.toml"
    file.write_text(text)
    with pytest.raises(BadInputError, match=words):
        load({}, file, {})


def test_an_absent_file_is_told(tmp_path):
    with pytest.raises(BadInputError, match="cannot be read"):
        load({}, tmp_path / "absent.toml", {})


def test_slips_in_the_environment_are_named():
    with pytest.raises(BadInputError, match="from SONIC_STREAM_SEED"):
        load({}, None, {"SONIC_STREAM_SEED": "many"})
    with pytest.raises(BadInputError, match="did you mean SONIC_STREAM_DYNAMIC_SCALE"):
        load({}, None, {"SONIC_STREAM_DYNAMIC_SCAEL": "1"})
    assert load({}, None, {"SONIC_STREAM_CACHE_DIR": "x"}).controls == Controls()


@pytest.mark.parametrize(("name", "value"), [("dynamic_scale", 1.6), ("motion_scale", 2)])
def test_exaggerated_gains_are_followed_with_advice(name, value):
    settings = settle({name: value})
    assert getattr(settings.controls, name) == value
    assert len(settings.notes) == 1 and name in settings.notes[0]
    assert settle({name: 1.2}).notes == ()
