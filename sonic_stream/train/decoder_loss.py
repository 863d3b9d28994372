"""What is asked of every step of the decoder: right colours at every scale, right sharpness, no flicker."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

SCALES: Final = (1.0, 1.0, 1.0, 0.7)
"""Weight of the error at full size and averaged over 2, 4 and 8 pixels."""
EDGES, SHARPNESS, STEADINESS, MODESTY = 0.6, 0.35, 0.6, 0.015
_SOFT: Final = 0.02
_OPENING: Final = 2.0
"""How much more an error in the opening and at its rims counts."""


def loss_of(change: Tensor, rgb: Tensor, target: Tensor, weight: Tensor, near: Tensor) -> Tensor:
    """The loss of one step.

    `change` is what the decoder adds to `rgb`, wanted is `target` (all [N, 3, h, w] in contrasts); `weight`
    [N, 1, h, w] 0..1; `near` [N, 1, h, w] tells opening and rims. Rows 2k and 2k + 1 follow each other.
    """
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
    # An error that stays is seen less than one that comes and goes.
    steady = wrong[0::2] - wrong[1::2]
    loss = loss + STEADINESS * torch.sqrt(steady * steady + _SOFT * _SOFT).mean()
    return loss + MODESTY * change.abs().mean()


def _slopes(x: Tensor) -> tuple[Tensor, Tensor]:
    return (x[..., 1:] - x[..., :-1]).abs().mean(), (x[..., 1:, :] - x[..., :-1, :]).abs().mean()


def _energies(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean slope along rows and columns in cells of 4 x 4 pixels."""
    across = functional.pad((x[..., 1:] - x[..., :-1]).abs(), (0, 1))
    down = functional.pad((x[..., 1:, :] - x[..., :-1, :]).abs(), (0, 0, 0, 1))
    return functional.avg_pool2d(across, 4), functional.avg_pool2d(down, 4)
