from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from sonic_stream.errors import BadInputError
from sonic_stream.motion.features import LOG_FLOOR, MELS
from sonic_stream.motion.model import NetConfig
from sonic_stream.motion.weights import load_net, notes_of
from sonic_stream.timebase import MODEL_RATE_HZ
from sonic_stream.train.augment import CONTRAST, degrade, flatter
from sonic_stream.train.corpus import Shard, merge_silence, rooms_and_wires, surrounded
from sonic_stream.train.motion import Recipe, Sampler, load_part, train
from sonic_stream.train.negatives import KINDS, still_sound
from sonic_stream.train.phones import CLASS_INDEX, SILENCE, Segment
from sonic_stream.train.sentences import CHARACTER_LANGUAGES, GRAMMARS, english, made_up
from sonic_stream.train.speech import Utterance
from sonic_stream.types import F32

TINY = NetConfig(stem=8, width=16, heads=2, blocks=1, window=4, near=3)


def buzz(seconds: float) -> F32:
    t = np.arange(int(seconds * MODEL_RATE_HZ)) / MODEL_RATE_HZ
    return np.asarray(0.3 * np.sign(np.sin(2 * np.pi * 130 * t)), np.float32)


def utterance() -> Utterance:
    names = ("AA", "P", "IY", "F", "UW", "S")
    segments = [Segment(CLASS_INDEX[n], 0.25 * i, 0.25 * (i + 1)) for i, n in enumerate(names)]
    return Utterance(buzz(1.5), segments, "test:buzz")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    speech, still = Shard(), Shard()
    for _ in range(6):
        speech.add(surrounded(utterance(), rng))
        sound, name = still_sound(3 * MODEL_RATE_HZ, rng)
        still.add(Utterance(sound, [Segment(SILENCE, 0, 3)], name))
    speech.save(tmp_path / "data", "espeak_1")
    still.save(tmp_path / "data", "still_1")
    return tmp_path / "data"


def test_a_shard_keeps_sound_and_timings_together(data: Path) -> None:
    part = load_part(data, "espeak_1")
    assert len(part.mel) == 4 * part.lengths.sum() == 4 * len(part.targets.curves)
    loud = np.asarray(part.mel, np.float32).reshape(len(part.targets.phone), -1).mean(1)
    speaking = part.targets.phone != SILENCE
    assert np.quantile(loud[speaking], 0.1) > np.quantile(loud[~speaking], 0.9) + 2
    assert np.corrcoef(loud, speaking)[0, 1] > 0.8


def test_training_writes_weights_goes_on_and_ends(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "net.safetensors"
    recipe = Recipe(steps=3, batch=2, pictures=40, net=TINY)
    train(data, out, recipe)
    first, _ = load_net(out)
    assert notes_of(out)["steps"] == 3
    train(data, out, Recipe(steps=5, batch=2, pictures=40, net=TINY))
    more, _ = load_net(out)
    assert notes_of(out)["steps"] == 5
    assert first.config == more.config == TINY
    assert any((a != b).any() for a, b in zip(first.parameters(), more.parameters(), strict=True))


def test_training_learns(data: Path, tmp_path: Path) -> None:
    """A few dozen steps tell speech from silence on what was trained on."""
    out = tmp_path / "net.safetensors"
    train(data, out, Recipe(steps=160, batch=3, pictures=50, rate=1e-2, net=TINY))
    net, _ = load_net(out)
    part = load_part(data, "espeak_1")
    import torch

    mel = torch.from_numpy(np.asarray(part.mel, np.float32))[None]
    with torch.inference_mode():
        result, _ = net(mel, net.rest(1))
    speech = result.events[0, 2:, 1, 2].numpy()
    truth = part.targets.events[:-2, 2] > 0.5
    assert speech[truth].mean() > speech[~truth].mean() + 0.5


def test_no_shards_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="No shards"):
        train(tmp_path, tmp_path / "x.safetensors", Recipe(steps=1))


def test_batches_have_their_shape_and_no_holes(data: Path) -> None:
    parts = [load_part(data, name) for name in ("espeak_1", "still_1")]
    batch = Sampler(parts, 80, np.random.default_rng(0)).draw(5)
    assert batch.mel.shape == (5, 320, MELS)
    assert np.isfinite(batch.mel).all()
    assert batch.mel.min() >= LOG_FLOOR
    assert batch.curves.shape[:2] == batch.events.shape[:2] == batch.phone.shape == (5, 80)


def test_degrading_keeps_the_shape_and_changes_the_sound() -> None:
    rng = np.random.default_rng(0)
    mel = rng.normal(-6, 3, (8, 200, MELS)).astype(np.float32)
    out = degrade(mel, mel[:4], rng)
    assert out.shape == mel.shape
    assert np.isfinite(out).all()
    assert all(np.abs(a - b).mean() > 0.1 for a, b in zip(out, mel, strict=True))


def test_another_speed_moves_the_timings_with_the_sound() -> None:
    for seed in range(12):
        changed = rooms_and_wires(utterance(), np.random.default_rng(seed))
        assert changed.segments[-1].end_s == pytest.approx(len(changed.samples) / MODEL_RATE_HZ, abs=0.01)
        assert np.isfinite(changed.samples).all()


def test_silences_in_a_row_become_one() -> None:
    a = CLASS_INDEX["AA"]
    merged = merge_silence(
        [Segment(SILENCE, 0, 1), Segment(SILENCE, 1, 2), Segment(a, 2, 2), Segment(a, 2, 3)]
    )
    assert merged == [Segment(SILENCE, 0, 2), Segment(a, 2, 3)]


@pytest.mark.parametrize("kind", sorted(set(KINDS), key=lambda k: k.__name__))
def test_still_sounds_are_sounds(kind: object) -> None:
    sound = kind(2 * MODEL_RATE_HZ, np.random.default_rng(1))  # type: ignore[operator]
    assert sound.shape == (2 * MODEL_RATE_HZ,)
    assert sound.dtype == np.float32
    assert np.isfinite(sound).all()
    assert 0.05 < np.abs(sound).max() <= 3


def test_there_is_something_to_say_in_every_language() -> None:
    import random

    for language in (*GRAMMARS, *CHARACTER_LANGUAGES):
        said = {made_up(language, random.Random(seed)) for seed in range(5)}
        assert len(said) == 5
        assert all(text.strip() for text in said)
    assert len(english()) > 500


def test_espeak_says_when_each_phone_sounds() -> None:
    pytest.importorskip("espeakng_loader")
    from sonic_stream.train.speech import espeak, espeak_library

    said = espeak_library().say("Papa, my mama!", "en-us")
    assert said is not None
    lips = [s for s in said.segments if s.phone == CLASS_INDEX["P"]]
    assert len(lips) >= 4
    assert said.segments[-1].end_s == pytest.approx(len(said.samples) / MODEL_RATE_HZ, abs=0.01)
    for a, b in itertools.pairwise(said.segments):
        assert a.end_s == pytest.approx(b.start_s, abs=1e-6)
    assert len(list(itertools.islice(espeak("es", 1), 3))) == 3


def test_a_voice_nobody_has_is_no_utterance() -> None:
    pytest.importorskip("espeakng_loader")
    from sonic_stream.train.speech import espeak_library

    assert espeak_library().say("hello there", "no-such-language") is None


def test_levels_move_about_the_loudest() -> None:
    """Soft parts come nearer or go away by one factor; the loudest stays."""
    mel = np.random.default_rng(0).normal(-5, 3, (40, 80)).astype(np.float32)
    factors = []
    for seed in range(20):
        moved = flatter(mel, np.random.default_rng(seed))
        below, was = moved - mel.max(), mel - mel.max()
        assert moved.max() == pytest.approx(mel.max(), abs=1e-5)
        factors.append(float((below * was).sum() / (was * was).sum()))
        np.testing.assert_allclose(below, factors[-1] * was, atol=1e-3)
    assert CONTRAST[0] <= min(factors) < 0.9 and 1.0 < max(factors) <= CONTRAST[1]
