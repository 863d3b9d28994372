from __future__ import annotations

import numpy as np
import pytest

from sonic_stream.motion.mouth import APERTURE, CLOSE, TOUCH, TOUCH_GAP, WIDTH, Mouth, gap_of
from sonic_stream.types import F32, MOUTH_CHANNELS


@pytest.fixture
def mouth() -> Mouth:
    return Mouth(np.ones(len(MOUTH_CHANNELS), np.float32))


def curves(**values: float) -> F32:
    return np.array([values.get(name, 0.0) for name in MOUTH_CHANNELS], np.float32)


def test_a_closure_leaves_no_gap(mouth: Mouth) -> None:
    shown = mouth.step(curves(aperture=0.06, jaw=0.5), 0.9, 0.0, 1.0)
    assert shown[APERTURE] == 0
    assert shown[CLOSE] == 1
    assert 0.5 < shown[MOUTH_CHANNELS.index("jaw")] < 0.6


def test_an_unlikely_closure_changes_nothing(mouth: Mouth) -> None:
    shown = mouth.step(curves(aperture=0.06), 0.1, 0.1, 1.0)
    assert shown[APERTURE] == pytest.approx(gap_of(np.float32(0.06), np.float32(0)))
    assert shown[CLOSE] == shown[TOUCH] == 0


def test_the_lip_at_the_teeth_leaves_a_little_gap(mouth: Mouth) -> None:
    shown = mouth.step(curves(aperture=0.06), 0.0, 0.95, 1.0)
    assert shown[TOUCH] == 1
    assert shown[APERTURE] == pytest.approx(TOUCH_GAP)


def test_rounding_narrows_the_gap_and_the_mouth_but_shuts_nothing(mouth: Mouth) -> None:
    plain = mouth.step(curves(aperture=0.05), 0.0, 0.0, 1.0)
    rounded = mouth.step(curves(aperture=0.05, pucker=0.9), 0.0, 0.0, 1.0)
    assert 0 < rounded[APERTURE] < plain[APERTURE]
    assert rounded[WIDTH] < plain[WIDTH]


def test_a_wider_expectation_is_a_wider_gap() -> None:
    gaps = gap_of(np.linspace(0, 0.12, 50, dtype=np.float32), np.zeros(50, np.float32))
    assert (np.diff(gaps) >= 0).all()
    assert gaps[0] == 0


def test_rest_is_exactly_rest(mouth: Mouth) -> None:
    shown = mouth.step(curves(aperture=0.06, width=-0.03, pucker=1.0), 0.7, 0.2, 0.0)
    assert (shown == 0).all()


def test_wild_outputs_are_held_in_bounds(mouth: Mouth) -> None:
    raw = np.full(len(MOUTH_CHANNELS), np.nan, np.float32)
    assert np.isfinite(mouth.step(raw, 0.0, 0.0, 1.0)).all()
    high = mouth.step(np.full_like(raw, 9), 0.0, 0.0, 1.0)
    low = mouth.step(np.full_like(raw, -9), 0.0, 0.0, 1.0)
    assert high[APERTURE] <= 0.2
    assert low[WIDTH] < 0
    assert (np.delete(low, WIDTH) == 0).all()
