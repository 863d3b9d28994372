"""The decoder: a small convolutional network that mends patches of the geometric picture, in 1 to 8 steps.

One step looks at the geometric patch, at what geometry knows there, at the portrait's own pixels and at what
the steps before have made of the patch, and adds to a state of four numbers a pixel: a residual colour and
how much of it is laid on (alpha). Every step is trained to come as near to the truth as it can, so any
number of steps is a finished picture.

It is built to do no harm where it knows nothing: colours are reckoned against the portrait's own mean and
contrast there, so that it never sees what colour a face is; the residual is bounded and fades out at the
patch's rim; and away from the opening it is smooth, so that it shades skin but cannot touch its texture or
a painter's brush.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from sonic_stream.picture.decoder_patch import MAPS, RIM_STEP
from sonic_stream.types import F32, U8

MAX_STEPS: Final = 8
STATE: Final = 4
"""Residual RGB and the logit of alpha."""
FOLD: Final = 4
"""Pixels along a side that become channels: few, wide pixels are what a CPU does best."""
_LEAST_CONTRAST, _MOST_CONTRAST = 14.0, 60.0
_ALPHA_AT_REST = -1.0


@dataclass(frozen=True, slots=True)
class DecoderConfig:
    """The shape of one network."""

    width_px: int = 128
    height_px: int = 96
    channels: int = 48
    deep: int = 96
    """Channels at half the inner resolution."""
    blocks: int = 2
    """Residual blocks there."""
    limit: float = 1.6
    """Most that a residual may change, in contrasts of the portrait's patch."""
    fine_px: float = 5.0
    """How far from the rims of the opening fine detail may still be changed."""
    smooth_px: int = 5
    """Side of the box over which changes elsewhere are averaged (twice)."""
    keeps_opening: bool = False
    """Whether what lies in the opening is left alone (eyeballs, which are the portrait's own)."""
    share: float = 1.0
    """How much of a change is shown at all."""
    opening_share: float = 0.8
    """How much of the change in the opening is shown: real teeth are known less well than real skin."""
    pace: tuple[float, ...] = (1.0, 0.4, 0.2, 0.1, 0.07, 0.05, 0.04, 0.03)
    """How much of what each step asks for is done: later steps settle instead of wandering."""
    rim_share: float = 0.14
    """Share of the patch's side over which changes fade out towards its edge."""

    def to_json(self) -> dict[str, Any]:
        """As stored beside the weights."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> DecoderConfig:
        """The reverse; unknown names are an error."""
        return cls(
            **{field.name: values[field.name] for field in fields(cls)} | {"pace": tuple(values["pace"])}
        )


MOUTH_CONFIG: Final = DecoderConfig()
EYE_CONFIG: Final = DecoderConfig(
    64,
    48,
    fine_px=7.0,
    smooth_px=3,
    keeps_opening=True,
    share=0.6,
)


class Bounds(NamedTuple):
    """Where a patch may be changed, and how."""

    near: Tensor
    """[N, 1, h, w]: 1 in the opening and at its rims, 0 away from it."""
    free: Tensor
    """[N, 1, h, w]: how much may be changed at all, 0..1."""
    held: Tensor
    """[N, 1, h, w]: how much of a change is shown, 0..1."""


class Given(NamedTuple):
    """What does not change from step to step."""

    rgb: Tensor
    """[N, 3, h, w], normalised."""
    known: Tensor
    """[N, C, h / fold, w / fold]: first layer's answer to all that is fixed."""
    bounds: Bounds


class _Block(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        with torch.no_grad():
            self.second.weight *= 0.3

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.second(functional.relu(self.first(functional.relu(x))))
        return out


class DecoderNet(nn.Module):
    """One step of refining N patches of one kind; see the module's docstring."""

    fade: Tensor
    place: Tensor
    pace: Tensor

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        c, d, folded = config.channels, config.deep, FOLD * FOLD
        self.look = nn.Conv2d((MAPS + 3) * folded + 2, c, 1)
        self.recall = nn.Conv2d((3 + 1) * folded, c, 1)
        self.step = nn.Embedding(MAX_STEPS, c)
        self.before = _Block(c)
        self.down = nn.Conv2d(c * 4, d, 1)
        self.middle = nn.Sequential(*(_Block(d) for _ in range(config.blocks)))
        self.up = nn.Conv2d(d, c * 4, 1)
        self.after = _Block(c)
        self.out = nn.Conv2d(c, STATE * folded, 3, padding=1)
        nn.init.zeros_(self.out.weight)
        assert self.out.bias is not None
        nn.init.zeros_(self.out.bias)
        nn.init.normal_(self.step.weight, std=0.1)
        self.register_buffer("pace", torch.tensor(config.pace), persistent=False)
        width, height = config.width_px, config.height_px
        rows, columns = _ramp(height, config.rim_share), _ramp(width, config.rim_share)
        self.register_buffer("fade", (rows[:, None] * columns[None])[None, None], persistent=False)
        axes = torch.meshgrid(
            torch.linspace(-1, 1, height // FOLD), torch.linspace(-1, 1, width // FOLD), indexing="ij"
        )
        self.register_buffer("place", torch.stack(axes)[None], persistent=False)

    def given(self, inputs: Tensor, reference: Tensor, tone: Tensor) -> Given:
        """Prepares patches: `inputs` [N, h, w, MAPS] and `reference` [N, h, w, 3], 0..255, `tone` [N, 4]."""
        seen, bounds = self.seen(inputs, reference, tone)
        place = self.place.expand(seen.shape[0], -1, -1, -1)
        known = self.look(torch.cat([functional.pixel_unshuffle(seen, FOLD), place], 1))
        return Given(seen[:, :3], known, bounds)

    def seen(self, inputs: Tensor, reference: Tensor, tone: Tensor) -> tuple[Tensor, Bounds]:
        """Picture, maps and portrait as one tensor [N, 3 + MAPS, h, w], normalised; and the bounds."""
        looked, own = inputs.permute(0, 3, 1, 2).float(), reference.permute(0, 3, 1, 2).float()
        mean, inverse = tone[:, :3, None, None], 1 / tone[:, 3:, None, None]
        maps = (looked[:, 3:] - 128) / 64
        seen = torch.cat([(looked[:, :3] - mean) * inverse, maps, (own - mean) * inverse], 1)
        rims = (torch.minimum(looked[:, 4:5], looked[:, 5:6]) - 128) / RIM_STEP
        near = (1 + rims / self.config.fine_px).clamp(0, 1)
        cover = looked[:, 3:4] / 255
        free = self.fade * (1 - cover) if self.config.keeps_opening else self.fade
        held = self.config.share * (1 - (1 - self.config.opening_share) * cover)
        return seen, Bounds(near, free, held)

    def refine(self, given: Given, state: Tensor, step: Tensor) -> Tensor:
        """The state [N, STATE, h, w] after one more step; `step` int64 [N] counts from 0."""
        made = torch.cat([given.rgb + self.change(given.bounds, state), state[:, 3:]], 1)
        x = (
            given.known
            + self.recall(functional.pixel_unshuffle(made, FOLD))
            + self.step(step)[:, :, None, None]
        )
        x = self.before(x)
        y = self.middle(self.down(functional.pixel_unshuffle(functional.relu(x), 2)))
        x = self.after(x + functional.pixel_shuffle(self.up(functional.relu(y)), 2))
        asked = functional.pixel_shuffle(self.out(functional.relu(x)), FOLD)
        return state + self.pace[step][:, None, None, None] * asked

    def change(self, bounds: Bounds, state: Tensor) -> Tensor:
        """What a state adds to the patch, [N, 3, h, w], in contrasts."""
        limit = self.config.limit
        alpha = torch.sigmoid(state[:, 3:] + _ALPHA_AT_REST)
        raw = alpha * limit * torch.tanh(state[:, :3] / limit)
        smooth = _smoothed(_smoothed(raw, self.config.smooth_px), self.config.smooth_px)
        return bounds.free * (smooth + bounds.near * (raw - smooth))

    def shown(self, bounds: Bounds, state: Tensor, tone: Tensor) -> Tensor:
        """What of it is laid on the picture, [N, 3, h, w], 8-bit steps."""
        return bounds.held * tone[:, 3:, None, None] * self.change(bounds, state)

    def painted(self, inputs: Tensor, reference: Tensor, tone: Tensor, steps: int) -> Tensor:
        """What `steps` steps from rest add to patches, [N, 3, h, w], 8-bit steps; patches as for `given`."""
        given = self.given(inputs, reference, tone)
        state, count = self.rest(len(inputs)), len(inputs)
        for step in range(steps):
            state = self.refine(given, state, torch.full((count,), step, device=state.device))
        return self.shown(given.bounds, state, tone)

    def rest(self, count: int) -> Tensor:
        """The state before the first step."""
        return torch.zeros(
            count, STATE, self.config.height_px, self.config.width_px, device=self.out.weight.device
        )

    def forward(
        self, inputs: Tensor, reference: Tensor, tone: Tensor, state: Tensor, step: Tensor
    ) -> tuple[Tensor, Tensor]:
        """One step: the next state, and what it adds to the patch [N, 3, h, w] in 8-bit steps."""
        given = self.given(inputs, reference, tone)
        state = self.refine(given, state, step)
        return state, self.shown(given.bounds, state, tone)


def _ramp(count: int, share: float) -> Tensor:
    """0 at both ends of a line of pixels, 1 inside."""
    edge = torch.minimum(torch.arange(count), torch.arange(count).flip(0)).float()
    inward = (edge / (share * count)).clamp(0, 1)
    return inward * inward * (3 - 2 * inward)


def _smoothed(x: Tensor, side: int) -> Tensor:
    x = functional.avg_pool2d(x, (1, side), 1, (0, side // 2), count_include_pad=False)
    return functional.avg_pool2d(x, (side, 1), 1, (side // 2, 0), count_include_pad=False)


def tone_of(reference: U8 | F32) -> F32:
    """Mean colour and contrast of the portrait's own patch [..., h, w, 3], float32 [..., 4], 8-bit steps."""
    pixels = np.asarray(reference, np.float32)
    mean = pixels.mean((-3, -2))
    away = pixels - mean[..., None, None, :]
    contrast = np.clip(np.sqrt((away * away).mean((-3, -2, -1))), _LEAST_CONTRAST, _MOST_CONTRAST)
    return np.concatenate([mean, contrast[..., None]], -1).astype(np.float32)
