"""Rates with the real engine: at 50 a second every other picture is that of 25 a second, to the byte."""

import numpy as np

from sonic_stream import pictures
from sonic_stream.engine.local import LocalEngine
from sonic_stream.face import IdentityCache
from sonic_stream.offline import Parts, bundled

SECONDS = 0.8


def test_fifty_a_second_holds_the_pictures_of_twenty_five():
    engine, cache = LocalEngine.load(), IdentityCache()
    parts = Parts(engine=lambda _: engine, identify=cache.identify)
    face = bundled.portraits()["juno"]

    def made(fps: int) -> np.ndarray:
        words = {"duration": SECONDS, "min_resolution": 384, "fps": fps}
        return np.stack([p.image for p in pictures(face, "hello", parts=parts, **words)])

    slow, fast = made(25), made(50)
    assert (len(slow), len(fast)) == (20, 40)
    np.testing.assert_array_equal(fast[::2], slow)
    step = np.abs(np.diff(slow.astype(np.int16), axis=0)).mean(axis=(1, 2, 3))
    half = np.abs(fast[1:-1:2].astype(np.int16) - fast[:-2:2]).mean(axis=(1, 2, 3))
    assert (half < step).mean() > 0.9 and half.sum() > 0.3 * step.sum()
