"""Judges a sound file as a voice to be shown: what may make the lips worse, and what to do about it.

Everything is measured in one streaming pass over the samples as they stand in the file, in pieces of 20 ms.
It knows nothing of words: noise and music are told only by how little quieter the pauses are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from sonic_stream.media.audio import AudioFile, AudioInfo
from sonic_stream.types import F32

PIECE_S: Final = 0.02
_QUIETER_DB, _QUIET_DB = 35.0, -60.0
"""A piece is silent this far below the loud ones, or below this level."""
_PAUSE_S: Final = 0.2
"""Shorter gaps belong to speech."""
_FLAT_SAMPLES: Final = 4
_FLAT: Final = 1e-4
"""This many samples in a row within this share of the highest are a cut-off peak: no voice has them."""
_LOUD_ENOUGH: Final = 0.15
"""Peaks below this are not what a converter cuts off."""
_NARROW_HZ: Final = 4200.0
_BAND_SHARE: Final = 1e-5
"""Power above a frequency, of all, under which nothing is taken to be there."""
_SPECTRUM_SAMPLES: Final = 1024
_ADVISE_SILENCE, _ADVISE_LEAD_S, _ADVISE_CLIPPED = 0.3, 1.0, 0.002
_FAINT_DB, _NOISY_DB = -40.0, 18.0


@dataclass(frozen=True, slots=True)
class SoundReport:
    """What was heard in a sound file."""

    info: AudioInfo
    level_db: F32
    """Level of each piece of `PIECE_S`, dBFS, float32 [N]."""
    silent: np.ndarray
    """Which pieces belong to a pause, bool [N]."""
    clipped: np.ndarray
    """Which pieces hold cut-off peaks, bool [N]."""
    bandwidth_hz: float
    """Up to where there is sound."""

    @property
    def silence_share(self) -> float:
        return float(self.silent.mean())

    @property
    def clipped_share(self) -> float:
        return float(self.clipped.mean())

    @property
    def lead_s(self) -> float:
        """Silence before the first sound."""
        sounding = np.flatnonzero(~self.silent)
        return float(sounding[0] * PIECE_S) if len(sounding) else self.info.duration_s

    @property
    def loud_db(self) -> float:
        """Level of the loud pieces."""
        return float(np.percentile(self.level_db, 95))

    @property
    def contrast_db(self) -> float:
        """How far the quiet pieces lie below the loud ones."""
        return self.loud_db - float(np.percentile(self.level_db, 5))

    def facts(self) -> tuple[str, ...]:
        """What was measured, in a few words each."""
        channels = "mono" if self.info.channels == 1 else "stereo"
        return (
            f"{self.info.duration_s:.2f} s, {self.info.sample_rate / 1000:g} kHz, {channels}",
            f"sound up to {self.bandwidth_hz / 1000:.1f} kHz",
            f"{100 * self.silence_share:.0f} % silence",
            f"loud parts at {round(self.loud_db)} dBFS, pauses {self.contrast_db:.0f} dB below",
            f"cut-off peaks in {100 * self.clipped_share:.1f} % of it"
            if self.clipped.any()
            else "no cut-off peaks",
        )

    def advice(self) -> tuple[str, ...]:
        """A sentence for each thing that a user may want to mend; empty for a good recording."""
        found = [*self.info.notes]
        if self.clipped_share > _ADVISE_CLIPPED:
            found.append(
                f"The sound is clipped (cut-off peaks in {100 * self.clipped_share:.1f} % of it): record it"
                " with less gain; making it quieter now does not help."
            )
        if self.info.sample_rate <= 2 * _NARROW_HZ:
            found.append(
                f"The sound has only {self.info.sample_rate / 1000:g} kHz, as on a telephone: it works, but"
                ' "s" and "f" look alike; 16 kHz or more is better.'
            )
        elif self.bandwidth_hz < _NARROW_HZ:
            found.append(
                f"There is no sound above {self.bandwidth_hz / 1000:.1f} kHz although the file has"
                f" {self.info.sample_rate / 1000:g} kHz, as from a telephone: it works, but"
                ' "s" and "f" look alike; look for the original recording.'
            )
        if self.loud_db < _FAINT_DB:
            found.append(
                f"The voice is faint (loud parts at {self.loud_db:.0f} dBFS): make it louder, to about"
                " -20 dBFS."
            )
        if self.contrast_db < _NOISY_DB:
            found.append(
                f"The quiet parts are only {self.contrast_db:.0f} dB below the loud ones (noise, music or"
                " echo?): the voice alone, without music, makes better lips."
            )
        if self.lead_s > _ADVISE_LEAD_S:
            found.append(
                f"The voice begins after {self.lead_s:.1f} s of silence: cut it off, if nobody should wait."
            )
        if self.silence_share > _ADVISE_SILENCE:
            found.append(
                f"{100 * self.silence_share:.0f} % of the sound is silence, in which the face idles on: cut"
                " long pauses, if that is not meant."
            )
        return tuple(found)


def listen(sound: AudioFile) -> SoundReport:
    """Reads the file twice, with flat memory. Errors: `BadInputError` as `AudioFile.check` has them."""
    info = sound.check(allow_silence=True)
    size = max(round(PIECE_S * info.sample_rate), 1)
    levels, clipped = [], []
    power = np.zeros(_SPECTRUM_SAMPLES // 2 + 1)
    window = np.hanning(_SPECTRUM_SAMPLES)
    held = np.zeros(0)
    for piece in _pieces(sound.recorded(), size):
        mono = piece.mean(axis=0)
        levels.append(10 * np.log10(float((mono.astype(np.float64) ** 2).mean()) + 1e-12))
        clipped.append(_is_cut_off(piece, info.peak))
        held = np.concatenate([held, mono])
        while len(held) >= _SPECTRUM_SAMPLES:
            power += np.abs(np.fft.rfft(held[:_SPECTRUM_SAMPLES] * window)) ** 2
            held = held[_SPECTRUM_SAMPLES:]
    level_db = np.array(levels, np.float32)
    silent = _pauses(level_db < max(_QUIET_DB, float(np.percentile(level_db, 95)) - _QUIETER_DB))
    return SoundReport(info, level_db, silent, np.array(clipped), _bandwidth(power, info.sample_rate))


def _pieces(blocks: Iterator[F32], size: int) -> Iterator[F32]:
    """`blocks` [C, n] cut into pieces [C, size]; a rest shorter than half a piece is left out."""
    held: F32 | None = None
    for block in blocks:
        held = block if held is None else np.concatenate([held, block], axis=1)
        whole = held.shape[1] // size * size
        for begin in range(0, whole, size):
            yield held[:, begin : begin + size]
        held = held[:, whole:]
    if held is not None and 2 * held.shape[1] >= size:
        yield held


def _is_cut_off(piece: F32, peak: float) -> bool:
    """Whether the highest values of `piece` lie flat at the file's `peak`, or beyond full scale."""
    if peak < _LOUD_ENOUGH:
        return False
    if float(np.abs(piece).max()) > 1.001:  # a lossy codec's guess at a peak that was cut off
        return True
    for channel in piece:
        for side in (channel, -channel):
            at_peak = side >= peak * (1 - _FLAT)
            if at_peak.sum() >= _FLAT_SAMPLES:
                runs = np.convolve(at_peak, np.ones(_FLAT_SAMPLES, int), "valid")
                if runs.max(initial=0) == _FLAT_SAMPLES:
                    return True
    return False


def _pauses(quiet: np.ndarray) -> np.ndarray:
    """The quiet pieces that make up stretches of at least `_PAUSE_S`."""
    out = np.zeros_like(quiet)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], quiet.astype(int), [0]])))
    for begin, end in edges.reshape(-1, 2):
        out[begin:end] = end - begin >= _PAUSE_S / PIECE_S
    return out


def _bandwidth(power: np.ndarray, sample_rate: int) -> float:
    """The frequency above which no more than `_BAND_SHARE` of the power lies, Hz."""
    above = np.cumsum(power[::-1])[::-1]
    inside = np.flatnonzero(above > _BAND_SHARE * max(float(power.sum()), 1e-12))
    last = int(inside[-1]) if len(inside) else 0
    return last / (len(power) - 1) * sample_rate / 2
