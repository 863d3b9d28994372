from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonic_stream.timebase import FPS
from sonic_stream.train.phones import CLASS_INDEX, CLASSES, SILENCE, Segment
from sonic_stream.train.targets import REST_PAUSE_S, SETTLE_S, Targets, targets
from sonic_stream.types import F32, MOUTH_CHANNELS

AT = {name: i for i, name in enumerate(MOUTH_CHANNELS)}


def said(text: str, each_s: float = 0.12, pause_s: float = 0.5) -> tuple[Targets, list[Segment]]:
    """Phones named in `text`, each of the same length, silence around them and for '.'."""
    segments = [Segment(SILENCE, 0, pause_s)]
    for name in text.split():
        start = segments[-1].end_s
        length = pause_s if name == "." else each_s
        segments.append(Segment(SILENCE if name == "." else CLASS_INDEX[name], start, start + length))
    segments.append(Segment(SILENCE, segments[-1].end_s, segments[-1].end_s + pause_s))
    return targets(segments, int(segments[-1].end_s * FPS)), segments


def during(values: F32, segment: Segment) -> F32:
    return values[int(np.ceil(segment.start_s * FPS)) : int(segment.end_s * FPS)]


@pytest.mark.parametrize("each_s", [0.05, 0.08, 0.15])
def test_lip_sounds_shut_the_mouth_for_a_picture_at_least(each_s: float) -> None:
    made, segments = said("AA P AA P IY P UW", each_s)
    shut = (made.curves[:, AT["aperture"]] == 0) & (made.curves[:, AT["close"]] > 0.99)
    for s in segments:
        if s.phone == CLASS_INDEX["P"]:
            near = slice(int(s.start_s * FPS) - 1, int(np.ceil(s.end_s * FPS)) + 1)
            assert shut[near].any()
            assert made.events[near, 0].any()


def test_vowels_open_as_phonetics_says() -> None:
    gap = {}
    for vowel in ("AA", "AE", "IY", "UW", "AX"):
        made, segments = said(f"D {vowel} D", 0.2)
        gap[vowel] = during(made.curves[:, AT["aperture"]], segments[2]).max()
    assert gap["AE"] > gap["IY"] > gap["UW"]
    assert gap["AA"] > gap["AX"]
    assert 0.05 < gap["AA"] < 0.15


def test_the_lip_is_at_the_teeth_in_f() -> None:
    made, segments = said("AA F AA")
    assert during(made.curves[:, AT["labiodental"]], segments[2]).max() > 0.95
    assert during(made.curves[:, AT["aperture"]], segments[2]).min() < 0.02
    assert during(made.curves[:, AT["close"]], segments[2]).max() < 0.1


def test_rounding_begins_before_the_sound() -> None:
    rounded, segments = said("IY S UW UW UW")
    plain, _ = said("IY S IY IY IY")
    pucker = AT["pucker"]
    s = int(segments[2].start_s * FPS)
    assert rounded.curves[s + 1, pucker] > plain.curves[s + 1, pucker] + 0.1
    assert rounded.curves[:, AT["width"]].min() < -0.008


def test_a_long_pause_is_rest_and_a_short_one_is_not() -> None:
    made, segments = said("AA D AA . AA D AA", pause_s=0.5)
    pause = segments[4]
    rest = slice(int(np.ceil((pause.start_s + SETTLE_S) * FPS)), int((pause.end_s - 0.1) * FPS))
    assert np.allclose(made.curves[rest], 0, atol=1e-6)
    assert not made.events[rest, 2].any()
    short, segments = said("AA D AA . AA D AA", pause_s=REST_PAUSE_S - 0.05)
    inside = during(short.curves[:, AT["aperture"]], segments[4])
    assert inside.min() > 0.005
    assert during(short.events[:, 2], segments[4]).all()


def test_silence_alone_is_rest() -> None:
    made = targets([Segment(SILENCE, 0, 4)], 100)
    assert (made.curves == 0).all()
    assert (made.events == 0).all()


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(range(len(CLASSES))), st.floats(0.02, 0.6)), min_size=1, max_size=25)
)
def test_any_sequence_gives_a_possible_mouth(phones: list[tuple[int, float]]) -> None:
    segments, start = [], 0.0
    for phone, length in phones:
        segments.append(Segment(phone, start, start + length))
        start += length
    made = targets(segments, int(start * FPS) + 1)
    assert np.isfinite(made.curves).all()
    gap = made.curves[:, AT["aperture"]]
    assert ((gap >= 0) & (gap < 0.16)).all()
    activations = np.delete(made.curves, [AT["aperture"], AT["width"]], axis=1)
    assert ((activations >= 0) & (activations <= 1.15)).all()
    assert np.isin(made.events, (0, 1)).all()
