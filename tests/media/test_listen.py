"""Judging a sound: each fault put in is found and named, and a good recording is left in peace."""

import wave

import numpy as np
import pytest

from sonic_stream.media.audio import open_audio
from sonic_stream.media.listen import listen
from sonic_stream.offline import bundled

RATE = 16_000


@pytest.fixture(scope="module")
def voice() -> np.ndarray:
    """The bundled voice, 48 kHz."""
    return np.concatenate(list(open_audio(bundled.voices()["hello"]).blocks()))


@pytest.fixture
def heard(tmp_path):
    def make(samples, rate=48_000):
        path = tmp_path / "a.wav"
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, rate, 0, "NONE", ""))
            file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
        return listen(open_audio(path))

    return make


@pytest.mark.parametrize("name", bundled.voices())
def test_good_recordings_need_no_advice(name):
    report = listen(open_audio(bundled.voices()[name]))
    assert report.advice() == ()
    assert 6000 < report.bandwidth_hz <= 8000 and not report.clipped.any()


def test_clipping_is_found_however_loud_the_result(heard, voice):
    peak = np.abs(voice).max()
    shares = []
    for level in (0.9, 0.5, 0.25):
        report = heard(0.8 * np.clip(voice, -level * peak, level * peak) / peak)
        shares.append(report.clipped_share)
    assert shares == sorted(shares) and shares[0] > 0
    assert any("clipped" in sentence for sentence in report.advice())
    assert not heard(0.95 * voice / peak).clipped.any()
    tone = np.sin(2 * np.pi * 150 * np.arange(48_000) / 48_000)
    assert not heard(tone).clipped.any()


@pytest.mark.parametrize("pause_s", [2.0, 5.0])
def test_silence_is_measured(heard, voice, pause_s):
    own = heard(voice)
    report = heard(np.concatenate([voice, np.zeros(round(pause_s * 48_000)), voice]))
    total = 2 * len(voice) / 48_000 + pause_s
    wanted = (2 * own.silence_share * len(voice) / 48_000 + pause_s) / total
    assert report.silence_share == pytest.approx(wanted, abs=0.03)
    assert any("silence" in s for s in report.advice()) == (report.silence_share > 0.3)
    late = heard(np.concatenate([np.zeros(144_000), voice]))
    assert late.lead_s == pytest.approx(3 + own.lead_s, abs=0.05)
    assert any("begins after" in sentence for sentence in late.advice())


def test_narrow_sound_is_found_also_in_a_wide_file(heard, voice):
    spectrum = np.fft.rfft(voice)
    spectrum[int(3500 / 24_000 * len(spectrum)) :] = 0
    narrow = np.fft.irfft(spectrum, len(voice))
    report = heard(narrow)
    assert report.bandwidth_hz == pytest.approx(3500, abs=200)
    assert any("no sound above 3" in sentence for sentence in report.advice())
    report = heard(narrow[::6], 8000)
    assert any("only 8 kHz" in sentence for sentence in report.advice())


def test_faint_and_noisy_voices_are_told(heard, voice):
    assert any("faint" in s for s in heard(voice * 0.008 / np.abs(voice).max()).advice())
    noise = 0.1 * np.random.default_rng(0).standard_normal(len(voice))
    assert any("noise, music" in s for s in heard(voice + noise).advice())


def test_levels_are_those_of_the_samples(voice, heard):
    report = heard(voice)
    assert len(report.level_db) == len(report.silent) == len(report.clipped)
    assert len(report.level_db) == pytest.approx(len(voice) / 960, abs=1)
    rms = 10 * np.log10((voice[: len(voice) // 960 * 960].reshape(-1, 960) ** 2).mean(1) + 1e-12)
    np.testing.assert_allclose(report.level_db[: len(rms)][rms > -60], rms[rms > -60], atol=0.2)
