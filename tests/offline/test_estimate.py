"""What a job will need: told before it starts, refused with what would fit."""

from dataclasses import replace
from itertools import pairwise

import pytest

from sonic_stream import render
from sonic_stream.config import RESOLUTIONS, OutputSettings
from sonic_stream.errors import BadInputError
from sonic_stream.offline import estimate as e

GB = 2**30


def test_more_pixels_need_more_of_everything():
    for one, next_ in pairwise(RESOLUTIONS):
        assert e.memory_needed(one) < e.memory_needed(next_)
        small, large = (e.estimate(100, size, OutputSettings()) for size in (one, next_))
        assert small.memory_bytes < large.memory_bytes and small.seconds < large.seconds
    kept = e.estimate(100, 512, OutputSettings(keep_resolution=True), whole_pixels=12_000_000)
    plain = e.estimate(100, 512, OutputSettings(), whole_pixels=12_000_000)
    assert kept.memory_bytes > plain.memory_bytes and kept.seconds > plain.seconds
    one, eight = (e.estimate(100, 512, OutputSettings(), steps=steps).seconds for steps in (1, 8))
    assert eight > 2 * one - e.estimate(0, 512, OutputSettings()).seconds  # steps cost more than all the rest
    assert e.estimate(200, 512, OutputSettings()).seconds > e.estimate(100, 512, OutputSettings()).seconds


@pytest.mark.parametrize("wanted", RESOLUTIONS[1:])
def test_what_does_not_fit_is_refused_with_the_size_that_does(wanted):
    for fitting in (size for size in RESOLUTIONS if size < wanted):
        available = int(e.memory_needed(fitting) / 0.9) + e.MB
        with pytest.raises(BadInputError, match=rf"use --min-resolution {fitting}, which fits"):
            e.refuse_if_too_large(wanted, available)
        e.refuse_if_too_large(fitting, available)


def test_where_nothing_fits_or_nothing_is_known():
    with pytest.raises(BadInputError, match="not even 384 fits"):
        e.refuse_if_too_large(512, 200 * e.MB)
    with pytest.raises(BadInputError, match="leave out --keep-resolution"):
        e.refuse_if_too_large(384, 2 * GB, whole_pixels=60_000_000)
    e.refuse_if_too_large(1024, None)


def test_this_machine_is_looked_at():
    available = e.available_memory()
    assert available is None or 50 * e.MB < available < 1 << 50
    assert 0.2 <= e.machine_pace() <= 10


def test_the_sentence_is_for_people():
    assert e.Estimate(50, GB, 0.4).sentence() == "50 pictures will take about 1 s and 1.0 GB of memory."
    assert "about 5 min and" in e.Estimate(50, GB, 300).sentence()
    assert "about 2.5 h and" in e.Estimate(50, GB, 9000).sentence()


def test_a_render_tells_its_plan_and_refuses_before_anything_is_loaded(tmp_path, portrait, tone, parts):
    told: list[str] = []
    render(portrait, tone(1.0), tmp_path / "o.mp4", parts=parts, note=told.append, plan=told.append)
    assert told[1].startswith("25 pictures will take about") and "turned by 12 degrees" in told[0]

    def never(*_):
        raise AssertionError("loaded in vain")

    small = replace(parts, engine=never, identify=never, available_memory=lambda: 820 * e.MB)
    with pytest.raises(BadInputError, match="use --min-resolution 384"):
        render(portrait, tone(1.0), tmp_path / "p.mp4", parts=small, min_resolution=1024)
    assert not (tmp_path / "p.mp4").exists()
