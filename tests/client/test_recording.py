"""A film has every sound and picture where its media time says, whenever it came."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from client.peer import Picture, Sound
from client.receiving import MediaTimes
from client.recording import OPUS_DELAY, Recorder
from sonic_stream.errors import BadInputError

BEGIN_S = 1_700_000_000.0
PACKETS = 100


def known(rate_hz: int) -> MediaTimes:
    """Timestamp 0 is `BEGIN_S`."""
    times = MediaTimes(rate_hz)
    times.map(0)
    times.report(0, int((BEGIN_S + 2_208_988_800) * (1 << 32)))
    return times


def sound(number: int, times: MediaTimes) -> Sound:
    """Packet `number`: a click at its first sample."""
    samples = np.zeros(960, np.float32)
    samples[:48] = 0.5
    return Sound(samples, number * 960 + OPUS_DELAY, BEGIN_S + number * 0.02, times)


def picture(number: int, times: MediaTimes) -> Picture:
    grey = np.full((96, 64), 40 + 2 * number, np.uint8)
    frame = av.VideoFrame.from_ndarray(grey, format="yuv420p")
    return Picture(frame, number * 3600, BEGIN_S + number * 0.04, times)


def decoded(path: Path) -> tuple[list[tuple[float, int]], np.ndarray]:
    pictures, sounds = [], []
    with av.open(str(path)) as container:
        for frame in container.decode(*container.streams):
            if isinstance(frame, av.VideoFrame):
                grey = int(frame.to_ndarray(format="gray")[5, 5])
                pictures.append((float(frame.pts * frame.time_base), grey))
            else:
                sounds.append(frame.to_ndarray()[0])
    return pictures, np.concatenate(sounds)


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    return Recorder(tmp_path / "film.mp4")


def feed(recorder: Recorder, lost: frozenset[int] = frozenset()) -> None:
    heard, seen = known(48_000), known(90_000)
    for number in range(PACKETS):
        if number not in lost:
            recorder.put(sound(number, heard))
        if number % 2 == 0 and number // 2 not in (20, 21):
            recorder.put(picture(number // 2, seen))


def test_pictures_and_sound_stand_at_their_times(recorder):
    recorder.begin(BEGIN_S)
    feed(recorder)
    recorder.finish(BEGIN_S + 2.0)
    pictures, heard = decoded(recorder.path)
    assert [round(at * 25) for at, _ in pictures] == [n for n in range(50) if n not in (20, 21)]
    for at, grey in pictures:
        assert abs(grey - (40 + 2 * round(at * 25) - 16) * 255 / 219) < 4
    loud = np.flatnonzero(heard > 0.25)
    clicks = loud[np.insert(np.diff(loud) > 480, 0, True)]
    assert len(clicks) == PACKETS
    assert np.abs(clicks - np.arange(PACKETS) * 960).max() < 24  # half a millisecond
    assert 2.0 * 48_000 <= len(heard) < 2.03 * 48_000


def test_lost_sound_is_silence_of_its_own_length(recorder):
    recorder.begin(BEGIN_S)
    feed(recorder, frozenset({30, 31, 32}))
    recorder.finish(BEGIN_S + 2.0)
    _, heard = decoded(recorder.path)
    assert np.abs(heard[30 * 960 + 100 : 33 * 960 - 100]).max() < 0.05
    assert heard[33 * 960 : 33 * 960 + 48].max() > 0.25


def test_a_film_begins_with_the_picture_on_show_and_is_cut_at_its_end(recorder):
    feed(recorder)
    recorder.begin(BEGIN_S + 0.5)
    recorder.stop_at(BEGIN_S + 1.5)
    recorder.finish(BEGIN_S + 1.5)
    pictures, heard = decoded(recorder.path)
    assert pictures[0][0] == 0
    assert abs(pictures[1][0] - 0.02) < 1e-3  # slot 13 is at 0.52 s
    assert pictures[-1][0] < 1.0
    assert 1.0 * 48_000 <= len(heard) < 1.03 * 48_000


def test_what_came_before_the_times_were_known_is_kept(recorder):
    heard, seen = MediaTimes(48_000), MediaTimes(90_000)
    recorder.begin(BEGIN_S)
    for times in (heard, seen):
        times.map(0)
    for number in range(20):
        recorder.put(sound(number, heard))
        recorder.put(picture(number, seen))
    for times in (heard, seen):
        times.report(0, int((BEGIN_S + 2_208_988_800) * (1 << 32)))
    recorder.put(sound(20, heard))
    recorder.put(picture(20, seen))
    recorder.finish(BEGIN_S + 0.84)
    pictures, _ = decoded(recorder.path)
    assert len(pictures) == 21


def test_nothing_recorded_is_told_and_leaves_no_file(recorder, tmp_path):
    with pytest.raises(BadInputError, match="Nothing was recorded"):
        recorder.finish(BEGIN_S)
    recorder.begin(BEGIN_S)
    with pytest.raises(BadInputError, match="No picture arrived"):
        recorder.finish(BEGIN_S + 1)
    assert list(tmp_path.iterdir()) == []


def test_a_cancelled_film_leaves_no_file(recorder, tmp_path):
    recorder.begin(BEGIN_S)
    feed(recorder)
    recorder.cancel()
    assert list(tmp_path.iterdir()) == []
