"""What is asked of every step of the decoder: right colours at every scale, right structure, no flicker."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from sonic_stream.train.decoder_data import LUMA, RUN

SCALES: Final = (1.0, 1.0, 1.0, 0.7)
"""Weight of the error at full size and averaged over 2, 4 and 8 pixels."""
EDGES, SHARPNESS, STEADINESS, EVENNESS, STRUCTURE, MODESTY = 0.6, 0.35, 0.5, 0.3, 0.5, 0.015
_SOFT: Final = 0.02
_LEAST_SPREAD: Final = 0.05
"""Variance, in squared contrasts, below which structure is not compared: grain is nobody's structure."""
_OPENING: Final = 2.0
"""How much more an error in the opening and at its rims counts."""


def loss_of(change: Tensor, rgb: Tensor, target: Tensor, weight: Tensor, near: Tensor) -> Tensor:
    """The loss of one step.

    `change` is what the decoder adds to `rgb`, wanted is `target` (all [N, 3, h, w] in contrasts); `weight`
    [N, 1, h, w] 0..1; `near` [N, 1, h, w] tells opening and rims. `RUN` rows at a time follow each other.
    """
    trusted = weight
    weight = weight * (1 + _OPENING * near)
    weight = weight / weight.mean().clamp_min(1e-3)
    made = rgb + change
    wrong = (made - target) * weight
    loss = torch.zeros((), device=rgb.device)
    level = wrong
    for scale, share in enumerate(SCALES):
        if scale:
            level = functional.avg_pool2d(level, 2)
        loss = loss + share * torch.sqrt(level * level + _SOFT * _SOFT).mean()
    loss = loss + EDGES * sum(_slopes(wrong))
    # How much detail there is must be right also where each line of it cannot be: against blur.
    for got, want in zip(_energies(made), _energies(target), strict=True):
        loss = loss + SHARPNESS * ((got - want).abs() * functional.avg_pool2d(weight, 4)).mean()
    # An error that stays is seen less than one that comes and goes, and one that grows evenly less than one
    # that trembles.
    run = wrong.reshape(-1, RUN, *wrong.shape[1:])
    comes = run[:, 1:] - run[:, :-1]
    loss = loss + STEADINESS * _length(comes)
    loss = loss + EVENNESS * _length(comes[:, 1:] - comes[:, :-1])
    loss = loss + STRUCTURE * _unlike(made, target, trusted)
    return loss + MODESTY * change.abs().mean()


def _slopes(x: Tensor) -> tuple[Tensor, Tensor]:
    return (x[..., 1:] - x[..., :-1]).abs().mean(), (x[..., 1:, :] - x[..., :-1, :]).abs().mean()


def _energies(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean slope along rows and columns in cells of 4 x 4 pixels."""
    across = functional.pad((x[..., 1:] - x[..., :-1]).abs(), (0, 1))
    down = functional.pad((x[..., 1:, :] - x[..., :-1, :]).abs(), (0, 0, 0, 1))
    return functional.avg_pool2d(across, 4), functional.avg_pool2d(down, 4)


def _length(x: Tensor) -> Tensor:
    return torch.sqrt(x * x + _SOFT * _SOFT).mean()


def _unlike(made: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """1 - SSIM of lightness (here in contrasts) in boxes of 7 pixels, at full and at half size."""
    luma = torch.from_numpy(LUMA).to(made)[None, :, None, None]
    x, y = (made * luma).sum(1, keepdim=True), (target * luma).sum(1, keepdim=True)
    unlike = torch.zeros((), device=made.device)
    for _ in range(2):
        mean_x, mean_y, xx, yy, xy = (functional.avg_pool2d(a, 7, 1) for a in (x, y, x * x, y * y, x * y))
        together, apart = xy - mean_x * mean_y, xx + yy - mean_x * mean_x - mean_y * mean_y
        value = (2 * together + _LEAST_SPREAD) / (apart + _LEAST_SPREAD)
        seen = functional.avg_pool2d(weight, 7, 1)
        unlike = unlike + 0.5 * ((1 - value) * seen).sum() / seen.sum().clamp_min(1e-3)
        x, y, weight = (functional.avg_pool2d(a, 2) for a in (x, y, weight))
    return unlike
