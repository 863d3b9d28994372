"""A portrait before a colour."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
from PIL import Image

from server.backdrop import KEPT, Backdrops, before
from server.standin import fake_identity
from sonic_stream.types import Identity, PortraitSettings


def identity() -> Identity:
    out = io.BytesIO()
    Image.new("RGB", (64, 64), (196, 140, 120)).save(out, "PNG")
    plain = fake_identity(out.getvalue(), PortraitSettings())
    matte = np.zeros_like(plain.matte)
    matte[100:300, 100:300] = 255
    matte[100:300, 99] = 128
    return replace(plain, matte=matte)


def test_only_what_the_matte_leaves_open_is_coloured():
    plain = identity()
    green = before(plain, "00ff00")
    assert (green.crop[:90] == (0, 255, 0)).all()
    assert (green.crop[100:300, 100:300] == plain.crop[100:300, 100:300]).all()
    edge = green.crop[200, 99].astype(int)
    assert (np.abs(edge - (plain.crop[200, 99] * 0.502 + np.array([0, 255, 0]) * 0.498)) <= 1).all()
    assert green.cache is not plain.cache
    assert green.id != plain.id and before(plain, "0000ff").id != green.id


def test_a_known_one_is_the_same_object_and_few_are_kept():
    plain, backdrops = identity(), Backdrops()
    assert backdrops.place(plain, None) is plain
    first = backdrops.place(plain, "00FF00")
    assert backdrops.place(plain, "00ff00") is first
    for i in range(KEPT):
        backdrops.place(plain, f"00000{i}")
    assert backdrops.place(plain, "00ff00") is not first
