"""A mouth half covered is told; free mouths, also in light from one side, are not."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from sonic_stream.face import IdentityCache
from sonic_stream.offline import bundled, half_covered
from sonic_stream.types import PortraitSettings

CACHE = IdentityCache()
PORTRAITS = bundled.portraits()


@pytest.fixture(params=PORTRAITS)
def identity(request):
    return CACHE.identify(PORTRAITS[request.param].read_bytes(), PortraitSettings())


def test_a_free_mouth_is_left_in_peace_also_in_light_from_one_side(identity):
    assert half_covered.advice(identity) == ()
    light = np.linspace(0.55, 1.0, identity.crop.shape[1])[None, :, None]
    lit = replace(identity, crop=(identity.crop * light).astype(np.uint8))
    assert half_covered.advice(lit) == ()


@pytest.mark.parametrize("side", [-1, 1])
def test_a_disc_over_one_corner_of_the_mouth_is_told(identity, side):
    points = identity.landmarks
    height = float(np.linalg.norm(points[10] - points[152]))
    x, y = (points[13] + points[14]) / 2 + np.array([side * 0.14, 0.06]) * height
    crop = identity.crop.copy()
    cv2.circle(crop, (round(float(x)), round(float(y))), round(0.16 * height), (48, 46, 45), -1, cv2.LINE_AA)
    covered = replace(identity, crop=crop)
    (sentence,) = half_covered.advice(covered)
    assert "One half of the mouth" in sentence
    told = "The mouth seems to be covered (by a mask); a portrait that shows both lips speaks much better."
    assert half_covered.advice(replace(covered, advice=(told,))) == ()  # not twice
