"""Presets: found by name and by path, checked like other settings, beneath what is named beside them."""

import pytest

from sonic_stream import presets
from sonic_stream.config import OPTIONS, load, settle
from sonic_stream.errors import BadInputError


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The user's own folder of presets."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    folder = presets.user_folder()
    assert tmp_path in folder.parents
    folder.mkdir(parents=True)
    return folder


def test_the_bundled_ones_are_valid_described_and_different(own):
    assert set(presets.files()) == {"newsreader", "conversation", "childs-story", "singing"}
    made = set()
    for name, path in presets.files().items():
        preset = presets.read_preset(path)
        assert preset.description and set(preset.values) <= set(OPTIONS)
        settings = settle({"preset": name})
        assert settings.notes == (), "a preset of ours that needs advice"
        made.add((settings.controls, settings.portrait))
    assert len(made) == 4


def test_a_named_setting_wins_over_the_presets_and_the_rest_stays(own):
    (own / "mine.toml").write_text("dynamic_scale = 1.1\nseed = 4\nfps = 50\n")
    settings = settle({"preset": "mine", "seed": 9})
    assert (settings.controls.dynamic_scale, settings.controls.seed, settings.output.fps) == (1.1, 9, 50)


def test_a_preset_counts_where_it_is_named(own, tmp_path):
    (own / "mine.toml").write_text("dynamic_scale = 1.1\nmotion_scale = 0.5\n")
    file = tmp_path / "sonic.toml"
    file.write_text("preset = 'mine'\nmotion_scale = 0.25\n")
    used = load({}, file, {}).controls
    assert (used.dynamic_scale, used.motion_scale) == (1.1, 0.25)
    used = load({"preset": "mine"}, file, {"SONIC_STREAM_DYNAMIC_SCALE": "0.5"}).controls
    assert (used.dynamic_scale, used.motion_scale) == (1.1, 0.5)
    used = load({"dynamic_scale": "1.2"}, None, {"SONIC_STREAM_PRESET": "mine"}).controls
    assert (used.dynamic_scale, used.motion_scale) == (1.2, 0.5)


def test_the_users_own_goes_before_a_bundled_one_and_a_path_before_both(own, tmp_path):
    (own / "singing.toml").write_text("description = 'mine'\nseed = 1\n")
    assert presets.find("singing").description == "mine"
    (tmp_path / "singing.toml").write_text("seed = 2\n")
    assert settle({"preset": str(tmp_path / "singing.toml")}).controls.seed == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("dynamic_scael = 1", "from .*mine.toml.*did you mean 'dynamic_scale'"),
        ("dynamic_scale = 7", "from .*mine.toml.*a number from 0 to 2"),
        ("preset = 'singing'", "no setting 'preset'"),
        ("dynamic_scale", "preset .*mine.toml' is not valid TOML"),
    ],
)
def test_slips_in_a_preset_are_named(own, text, words):
    (own / "mine.toml").write_text(text)
    with pytest.raises(BadInputError, match=words):
        settle({"preset": "mine"})


def test_an_unknown_preset_is_told_with_the_nearest(own):
    with pytest.raises(BadInputError, match=r"no preset.*--preset.*did you mean 'newsreader'"):
        load({"preset": "newsreadr"}, None, {})
    with pytest.raises(BadInputError, match="there are childs-story, conversation, newsreader, singing"):
        settle({"preset": "zzz"})
    with pytest.raises(BadInputError, match="cannot be read"):
        settle({"preset": "absent.toml"})
