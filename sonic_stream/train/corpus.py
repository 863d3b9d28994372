"""Makes the motion network's training material: log-mel frames with phone timings, in shards.

    python -m sonic_stream.train.corpus --out DIR --part espeak --hours 8 --seed 1
    python -m sonic_stream.train.corpus --out DIR --part flite --hours 2
    python -m sonic_stream.train.corpus --out DIR --part sung --hours 1
    python -m sonic_stream.train.corpus --out DIR --part still --hours 1.5
    python -m sonic_stream.train.corpus --out DIR --part recorded --recordings FOLDER
    python -m sonic_stream.train.corpus --out DIR --part festival --hours 2
    python -m sonic_stream.train.corpus --out DIR --part rhvoice --hours 4
    python -m sonic_stream.train.corpus --out DIR --part pico --hours 4 --pico FOLDER
    python -m sonic_stream.train.corpus --out DIR --part revoiced --hours 4 --recordings FOLDER

Parts are independent and may run side by side. A shard is `NAME.mel.npy` (float16 [frames, MELS]) and
`NAME.npz`: `pictures` per utterance, and for every phone its `phone`, `start_s`, `end_s`, `stressed` and
the `utterance` it is in. Curves are made from the timings when training starts, so that a change of
targets needs no new sound.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
import soxr
import torch
from scipy.signal import butter, fftconvolve, sosfilt

from sonic_stream.errors import BadInputError
from sonic_stream.motion.features import FRAMES_PER_HOP, LogMel
from sonic_stream.timebase import HOP_SAMPLES, MODEL_RATE_HZ
from sonic_stream.train import festival, pico, revoicing, rhvoice, sentences, singing, speech
from sonic_stream.train.negatives import Rng, coloured_noise, crowd, still_sound
from sonic_stream.train.phones import SILENCE, Segment, arpabet, spread
from sonic_stream.train.speech import Utterance

LANGUAGE_SHARES = {"en-us": 8, "cmn": 5, "yue": 1} | {
    language: 1 for language in sentences.GRAMMARS if language != "en-us"
}
WORST_ALIGNMENT = -24.0
"""Recordings aligned worse than this (mean acoustic score per frame) are left out."""


def rooms_and_wires(said: Utterance, rng: Rng) -> Utterance:
    """Another speed (with pitch and vocal tract), a room, a telephone, an overdriven microphone."""
    samples, segments = said.samples, said.segments
    if rng.random() < 0.5:
        faster = rng.uniform(0.88, 1.14)
        samples = soxr.resample(samples, MODEL_RATE_HZ * faster, MODEL_RATE_HZ)
        segments = [Segment(s.phone, s.start_s / faster, s.end_s / faster, s.stressed) for s in segments]
    if rng.random() < 0.3:
        decay_s = rng.uniform(0.08, 0.5)
        tail = rng.standard_normal(int(decay_s * MODEL_RATE_HZ))
        tail *= np.exp(-np.linspace(0, 6.9, len(tail))) * rng.uniform(0.01, 0.06)
        tail[0] = 1
        samples = fftconvolve(samples, tail)[: len(samples)].astype(np.float32)
    if rng.random() < 0.12:
        band = butter(
            4, (rng.uniform(150, 350), rng.uniform(2800, 3700)), "band", fs=MODEL_RATE_HZ, output="sos"
        )
        samples = sosfilt(band, samples).astype(np.float32)
        coded = np.round(np.sign(samples) * np.log1p(255 * np.abs(samples)) / np.log(256) * 127) / 127
        samples = (np.sign(coded) * (256 ** np.abs(coded) - 1) / 255).astype(np.float32)
    if rng.random() < 0.08:
        samples = np.clip(samples * rng.uniform(2, 8), -0.7, 0.7)
    return Utterance(samples.astype(np.float32), segments, said.voice)


def surrounded(said: Utterance, rng: Rng) -> Utterance:
    """The utterance with some silence on both sides; rarely digital silence, else a faint hiss."""
    before, after = (int(s * MODEL_RATE_HZ) for s in (rng.uniform(0, 0.7), rng.uniform(0, 1.0)))
    samples = np.pad(said.samples, (before, after))
    if rng.random() < 0.7:
        samples += coloured_noise(len(samples), rng) * np.float32(10 ** rng.uniform(-4.5, -2))
    shift_s, total_s = before / MODEL_RATE_HZ, len(samples) / MODEL_RATE_HZ
    segments = [Segment(s.phone, s.start_s + shift_s, s.end_s + shift_s, s.stressed) for s in said.segments]
    segments = [Segment(SILENCE, 0.0, shift_s), *segments, Segment(SILENCE, segments[-1].end_s, total_s)]
    return Utterance(samples.astype(np.float32), merge_silence(segments), said.voice)


def merge_silence(segments: list[Segment]) -> list[Segment]:
    """Silences that follow each other become one; empty segments go."""
    merged: list[Segment] = []
    for s in segments:
        if s.end_s - s.start_s < 1e-4:
            continue
        if merged and s.phone == SILENCE == merged[-1].phone:
            merged[-1] = Segment(SILENCE, merged[-1].start_s, s.end_s)
        else:
            merged.append(s)
    return merged


def recorded(folder: Path) -> Iterator[Utterance]:
    """Recordings with phone times: FOLDER/CORPUS/segments.jsonl beside UTT.ogg (ARPAbet, seconds)."""
    lists = sorted(folder.glob("*/segments.jsonl"))
    if not lists:
        raise BadInputError(f"No recordings: {folder} has no CORPUS/segments.jsonl in it.")
    for rows in lists:
        for row in rows.read_text().splitlines():
            about = json.loads(row)
            sound = rows.parent / f"{about['utt']}.ogg"
            if about["align_score"] < WORST_ALIGNMENT or not sound.exists():
                continue
            samples, rate_hz = soundfile.read(sound, dtype="float32")
            segments: list[Segment] = []
            for name, start_s, end_s in about["phones"]:
                segments += spread(arpabet(name) or (SILENCE,), start_s, end_s)
            loudest = float(np.abs(samples).max())
            if rate_hz != MODEL_RATE_HZ or not segments or loudest < 0.003:
                continue
            first = Segment(SILENCE, 0.0, segments[0].start_s)
            last = Segment(SILENCE, segments[-1].end_s, len(samples) / MODEL_RATE_HZ)
            whole = merge_silence([first, *segments, last])
            yield Utterance(
                samples * np.float32(0.6 / loudest), whole, f"{rows.parent.name}:{about['speaker']}"
            )


def still(seed: int) -> Iterator[Utterance]:
    """Endless sounds to stay still to, 3 to 9 seconds each."""
    rng = np.random.default_rng(seed)
    voices = [u.samples for u in itertools.islice(speech.espeak("en-us", seed + 1), 40)]
    while True:
        n = int(rng.uniform(3, 9) * MODEL_RATE_HZ)
        sound, name = still_sound(n, rng)
        if rng.random() < 0.2:
            sound, name = crowd(voices, n, rng) * np.float32(10 ** rng.uniform(-1.5, -0.2)), "crowd"
        elif rng.random() < 0.12:
            sound, name = np.zeros(n, np.float32), "nothing"
        yield Utterance(sound, [Segment(SILENCE, 0.0, n / MODEL_RATE_HZ)], "still:" + name)


def mixed_languages(seed: int) -> Iterator[Utterance]:
    """Endless espeak-ng speech, languages in their shares."""
    rng = np.random.default_rng(seed)
    names = list(LANGUAGE_SHARES)
    shares = np.array(list(LANGUAGE_SHARES.values()), float)
    speakers = {name: speech.espeak(name, seed) for name in names}
    while True:
        yield next(speakers[names[int(rng.choice(len(names), p=shares / shares.sum()))]])


def choir(seed: int) -> Iterator[Utterance]:
    """Endless songs by espeak-ng's and flite's voices."""
    spoken, recorded_voices = mixed_languages(seed + 500), speech.flite(seed + 500)
    turns = (u for pair in itertools.zip_longest(spoken, recorded_voices) for u in pair if u)
    return singing.songs(turns, seed)


def others(recordings: Path, seed: int) -> Iterator[Utterance]:
    """Endless sentences of recorded and synthetic voices, spoken by people who do not exist."""
    people = list(recorded(recordings))

    def turns() -> Iterator[Utterance]:
        rng = np.random.default_rng([seed, 42])
        synthetic = (
            speech.flite(seed + 700),
            festival.in_turn(list(festival.TRAINED), seed + 700),
            mixed_languages(seed + 700),
        )
        while True:
            for i in rng.permutation(len(people)):
                yield people[int(i)]
                for voices in synthetic:
                    if rng.random() < 0.35 and (said := next(voices, None)):
                        yield said

    return revoicing.revoiced(turns(), seed)


class Shard:
    """Collects utterances; `save` writes them."""

    def __init__(self) -> None:
        self._log_mel = LogMel()
        self._mels: list[np.ndarray[tuple[int, int], np.dtype[np.float16]]] = []
        self._rows: list[tuple[int, float, float, bool, int]] = []
        self._voices: list[str] = []
        self.pictures = 0

    def add(self, said: Utterance) -> None:
        """The utterance cut to whole pictures."""
        samples = said.samples[: len(said.samples) // HOP_SAMPLES * HOP_SAMPLES]
        mel, _ = self._log_mel(torch.from_numpy(samples)[None], self._log_mel.rest(1))
        self._rows += [(s.phone, s.start_s, s.end_s, s.stressed, len(self._mels)) for s in said.segments]
        self._mels.append(mel[0].numpy().astype(np.float16))
        self._voices.append(said.voice)
        self.pictures += len(self._mels[-1]) // FRAMES_PER_HOP

    def save(self, folder: Path, name: str) -> None:
        """Writes NAME.mel.npy and NAME.npz."""
        folder.mkdir(parents=True, exist_ok=True)
        phone, start_s, end_s, stressed, utterance = (
            np.array(column) for column in zip(*self._rows, strict=True)
        )
        np.save(folder / f"{name}.mel.npy", np.concatenate(self._mels))
        np.savez_compressed(
            folder / f"{name}.npz",
            pictures=np.array([len(m) // FRAMES_PER_HOP for m in self._mels]),
            phone=phone.astype(np.int16),
            start_s=start_s.astype(np.float32),
            end_s=end_s.astype(np.float32),
            stressed=stressed.astype(bool),
            utterance=utterance.astype(np.int32),
            voices=np.array(self._voices),
        )


PARTS = ("espeak", "flite", "festival", "rhvoice", "pico", "sung", "revoiced", "still", "recorded")


def build(
    part: str,
    out: Path,
    hours: float,
    seed: int,
    recordings: Path | None = None,
    pico_sources: Path | None = None,
) -> float:
    """Makes one part's shard and gives its length in hours."""
    rng = np.random.default_rng(seed)
    if part in ("recorded", "revoiced"):
        if recordings is None:
            raise BadInputError(f"The part '{part}' needs --recordings FOLDER.")
        source = recorded(recordings) if part == "recorded" else others(recordings, seed)
    elif part == "pico":
        if pico_sources is None:
            raise BadInputError("The part 'pico' needs --pico FOLDER, ttspico's unpacked source.")
        source = pico.in_turn(pico_sources, seed)
    else:
        makers: dict[str, Callable[[int], Iterator[Utterance]]] = {
            "espeak": mixed_languages,
            "flite": speech.flite,
            "sung": choir,
            "festival": partial(festival.in_turn, list(festival.TRAINED)),
            "rhvoice": rhvoice.speech,
            "still": still,
        }
        source = makers[part](seed)
    shard, wanted, began = Shard(), hours * 3600 * 25, time.monotonic()
    for said in source:
        if part not in ("recorded", "still"):
            said = surrounded(rooms_and_wires(said, rng), rng)
        shard.add(said)
        if part != "recorded" and shard.pictures >= wanted:
            break
    if shard.pictures:
        shard.save(out, f"{part}_{seed}")
    made = shard.pictures / 25 / 3600
    print(f"{part}_{seed}: {made:.2f} h in {time.monotonic() - began:.0f} s", flush=True)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--part", choices=PARTS, required=True)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--recordings", type=Path)
    parser.add_argument("--pico", type=Path, metavar="FOLDER", help="ttspico's unpacked source")
    a = parser.parse_args()
    torch.set_num_threads(1)
    build(a.part, a.out, a.hours, a.seed, a.recordings, a.pico)


if __name__ == "__main__":
    main()
