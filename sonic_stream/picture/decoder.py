"""Lays what the decoder paints on the geometric picture: the mouth when it moves, eyes while lids or gaze do.

One `Decoder` holds the networks for all faces, a `FaceDecoder` what is known of one; drafts of several faces
are mended together. How far a face is trusted to the networks is found out once: shown the portrait itself,
where nothing is to be mended, they should change nothing, and what they do change there tells how foreign the
portrait is to them.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path

import numba
import numpy as np
import torch

from sonic_stream.errors import BadInputError, MissingPieceError
from sonic_stream.picture.decoder_backends import Choice, choose
from sonic_stream.picture.decoder_fine import ROUNDED, Fine
from sonic_stream.picture.decoder_net import MAX_STEPS, tone_of
from sonic_stream.picture.decoder_patch import EYE_LEFT, EYE_RIGHT, MOUTH, Patch
from sonic_stream.picture.decoder_scene import Scene, Watch
from sonic_stream.picture.decoder_settle import Settling
from sonic_stream.picture.decoder_weights import SHIPPED
from sonic_stream.types import F32, U8

_log = logging.getLogger(__name__)
_FAST = {"nsz", "arcp", "contract", "reassoc"}
_TRUSTED, _FOREIGN = 0.05, 0.16
"""Change of the untouched portrait (mean over its contrast): up to here full trust, from here none."""
_LEAST_AMOUNT = 0.02
_ROUNDED_AWAY, _MOST_RESTORED = 0.55, 0.499
"""How far a pixel may lie from what it was rounded from, and how much of that is restored: less than a half,
so that where nothing is laid on nothing changes."""


@dataclass(slots=True)
class DecoderStats:
    """Counts since the decoder was made."""

    painted: int = 0
    """Patches that were refined."""
    refused: int = 0
    """Patches that stayed geometry because the network's answer held something that is no number."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One patch of a picture that is to be mended."""

    patch: Patch
    tone: F32
    amount: float = 1.0
    """How much of the answer is laid on, 0..1."""
    fine: Fine = ROUNDED
    """The picture beneath it before it was rounded."""


class Decoder:
    """The networks of one device, shared by all faces. Used by one thread at a time."""

    def __init__(self, choice: Choice) -> None:
        self.choice = choice
        self.stats = DecoderStats()

    def changes(self, asks: Sequence[Ask], steps: int) -> list[F32 | None]:
        """What to add to each patch, float32 [3, h, w]; None where the network has no usable answer.

        Patches of one kind are painted together, whosever they are.
        """
        answers: list[F32 | None] = [None] * len(asks)
        for kind, regions in (("mouth", (MOUTH,)), ("eye", (EYE_LEFT, EYE_RIGHT))):
            places = [n for n, ask in enumerate(asks) if ask.patch.region in regions]
            if not places:
                continue
            inputs = np.stack([asks[n].patch.inputs for n in places])
            reference = np.stack([asks[n].patch.reference for n in places])
            tone = np.stack([asks[n].tone for n in places])
            made = self.choice.backend.change(kind, inputs, reference, tone, steps)
            for n, change in zip(places, np.asarray(made, np.float32), strict=True):
                answers[n] = self._checked(change, asks[n].patch.region)
        return answers

    def _checked(self, change: F32, region: str) -> F32 | None:
        if np.isfinite(change).all():
            self.stats.painted += 1
            return change
        self.stats.refused += 1
        if self.stats.refused == 1:
            _log.error(
                "The decoder (%s) answered with NaN for a %s; such patches stay as geometry painted"
                " them. Further ones are counted, not told.",
                self.choice.backend.name,
                region,
            )
        return None


class FaceDecoder:
    """What is known of one identity."""

    def __init__(self, decoder: Decoder, watch: Watch, portrait: U8, scene: Scene) -> None:
        """`portrait` is the crop, `scene` what geometry knows of it with nothing moved."""
        self._watch = watch
        self._tone = {region: tone_of(frame.reference) for region, frame in watch.frames.items()}
        self.trust: dict[str, float] = {}
        """0..1 for each region."""
        asks = [Ask(watch.look(portrait, scene, region, 1.0), tone) for region, tone in self._tone.items()]
        for ask, change in zip(asks, decoder.changes(asks, 1), strict=True):
            wrong = np.inf if change is None else float(np.abs(change).mean() / ask.tone[3])
            trust = float(np.clip((_FOREIGN - wrong) / (_FOREIGN - _TRUSTED), 0, 1))
            self.trust[ask.patch.region] = trust

    def asks(self, picture: U8, scene: Scene) -> list[Ask]:
        """What is to be mended in a picture."""
        found = []
        for region, activity in self._watch.activity(scene).items():
            amount = activity * self.trust[region]
            if amount >= _LEAST_AMOUNT:
                patch = self._watch.look(picture, scene, region, activity)
                fine = ROUNDED if scene.sampled is None else scene.sampled.beneath(patch)
                found.append(Ask(patch, self._tone[region], amount, fine))
        return found

    def lay(
        self, picture: U8, asks: Sequence[Ask], changes: Sequence[F32 | None], settling: Settling | None
    ) -> None:
        """Lays what was answered on `picture`, in place. `settling` knows what the pictures before showed
        of the mouth; lids are too quick to settle."""
        settled = False
        for ask, change in zip(asks, changes, strict=True):
            if change is None:
                continue
            amount = ask.amount
            if settling is not None and ask.patch.region == MOUTH:
                triangles = self._watch.frames[MOUTH].triangles
                change, amount, settled = settling.settled(ask.patch, change, triangles, amount), 1.0, True
            lay_change(picture, change, ask.patch.matrix, amount, *ask.fine)
        if settling is not None and not settled:
            settling.rest(MOUTH)


@dataclass(frozen=True, slots=True)
class Draft:
    """A picture as geometry painted it, and what a decoder shall mend in it."""

    picture: U8
    steps: int = 0
    asks: tuple[Ask, ...] = ()
    face: FaceDecoder | None = None
    """None: the picture stays as it is."""
    settling: Settling | None = None


def mend(decoder: Decoder | None, drafts: Sequence[Draft]) -> None:
    """Lets the decoder paint over all drafts together, in place; each is the same as if it were alone."""
    for steps in sorted({draft.steps for draft in drafts if draft.face is not None}):
        these = [draft for draft in drafts if draft.face is not None and draft.steps == steps]
        assert decoder is not None, "a draft knows a face only where there is a decoder"
        changes = iter(decoder.changes([ask for draft in these for ask in draft.asks], steps))
        for draft in these:
            assert draft.face is not None
            answers = list(islice(changes, len(draft.asks)))
            draft.face.lay(draft.picture, draft.asks, answers, draft.settling)


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def lay_change(
    picture: U8, change: F32, matrix: F32, amount: float, fine: F32, fine_x: int, fine_y: int
) -> None:
    """Adds `amount` of a patch's `change` [3, h, w] to the picture that `matrix` lays it on, in place.

    `fine` [H, W, 3] is the picture from column `fine_x` and row `fine_y` on before it was rounded; where a
    pixel is not what `fine` rounds to, something else was painted over it, and the pixel is taken as it is.
    """
    height, width = change.shape[1:]
    a, b, c = matrix[0, 0], matrix[0, 1], matrix[0, 2]
    d, e, f = matrix[1, 0], matrix[1, 1], matrix[1, 2]
    inverse = 1.0 / (a * e - b * d)
    left, right, top, bottom = 1e9, -1e9, 1e9, -1e9
    for x, y in ((0, 0), (width - 1, 0), (0, height - 1), (width - 1, height - 1)):
        px, py = a * x + b * y + c, d * x + e * y + f
        left, right, top, bottom = min(left, px), max(right, px), min(top, py), max(bottom, py)
    for y in range(max(0, int(np.ceil(top))), min(picture.shape[0] - 1, int(np.floor(bottom))) + 1):
        for x in range(max(0, int(np.ceil(left))), min(picture.shape[1] - 1, int(np.floor(right))) + 1):
            u = (e * (x - c) - b * (y - f)) * inverse
            v = (a * (y - f) - d * (x - c)) * inverse
            if u < 0 or v < 0 or u > width - 1 or v > height - 1:
                continue
            i, j = min(int(v), height - 2), min(int(u), width - 2)
            fv, fu = v - i, u - j
            known = 0 <= y - fine_y < fine.shape[0] and 0 <= x - fine_x < fine.shape[1]
            for k in range(3):
                upper = change[k, i, j] + fu * (change[k, i, j + 1] - change[k, i, j])
                lower = change[k, i + 1, j] + fu * (change[k, i + 1, j + 1] - change[k, i + 1, j])
                value = np.float32(picture[y, x, k])
                if known:
                    lost = fine[y - fine_y, x - fine_x, k] - value
                    if abs(lost) <= _ROUNDED_AWAY:
                        value += min(_MOST_RESTORED, max(-_MOST_RESTORED, lost))
                value += amount * (upper + fv * (lower - upper)) + 0.5
                picture[y, x, k] = np.uint8(min(255.0, max(0.0, value)))


def shared_decoder(weights: Path = SHIPPED, device: str = "cpu") -> Decoder | None:
    """A device's decoder, loaded once; None, with one warning, where its weights are missing or unusable."""
    return _loaded(weights, "cpu" if device == "auto" and not torch.cuda.is_available() else device)


@cache
def _loaded(weights: Path, device: str) -> Decoder | None:
    try:
        return Decoder(choose(device, weights))
    except MissingPieceError as error:
        warnings.warn(f"Pictures are made by geometry alone: {error}", stacklevel=3)
        return None


def check_steps(steps: int) -> int:
    """`steps` if it is 0 (geometry alone) to 8.

    Errors: `BadInputError` for any other number.
    """
    if not 0 <= steps <= MAX_STEPS:
        raise BadInputError(
            f"The decoder was asked for {steps} steps (inference_steps); it takes 1 to {MAX_STEPS}, and"
            " 0 leaves the picture to geometry alone."
        )
    return steps


def steps_available() -> int:
    """The most steps that can be painted: 0 without usable weights."""
    return MAX_STEPS if shared_decoder() is not None else 0
