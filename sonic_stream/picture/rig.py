"""Coefficients -> expression weights and pose of one person's head.

The mouth is physical: because shapes are linear, the jaw and the corners are solved in closed form so that
the gap between the lips and the width of the mouth are the ones asked for, whatever the other shapes do. The
lids get a closing shape of their own for each person, so that they meet exactly at 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sonic_stream.face.head import Head
from sonic_stream.picture.lips import ease_shape
from sonic_stream.picture.patch import slit_of
from sonic_stream.picture.rims import Rim, gaps
from sonic_stream.picture.rounding import NAMES, Hole, rounded, rounding_shapes
from sonic_stream.picture.worn import held_by_glasses
from sonic_stream.types import CHANNEL_INDEX, CHANNELS, F32, Identity

F64 = NDArray[np.float64]

PIVOT = (0.0, -8.0, -1.0)
"""Where the neck turns the head, head units."""
_APPROACH = 0.25
"""Growth of the picture for a shift of one face height towards the camera (a camera about 65 cm away)."""
_KEPT_SMILE = 0.35
"""Share of the portrait's own smile that stays when its mouth is brought to rest."""
_SHUT_GAP, _PARTED_GAP = 0.015, 0.03
"""Gap over face height up to which the portrait's own mouth is kept, and from which it is relaxed."""
_GIVES_WAY = 0.7
"""Share of rounded or spread lips that the width asked for may undo."""
_PART_AT = 0.012
"""Aperture at which the overlap of shut lips is wholly undone."""
_EASED_AT = 0.025
"""Aperture from which the rims of the lips have lost the waves of the shut mouth's line."""
_DROP = 0.08
"""Share of its opening by which the corners of a rounded mouth sink below the middle of both lips' movement:
at rest they lie a little higher than the middle of the lips."""
_MOST_JAW = 1.15
_CORNER_LIMIT = 1.3

# What each activation does besides the solved shapes; pairs of shapes are moved together.
_MOUTH_SHAPES: dict[str, tuple[tuple[str, float], ...]] = {
    "close": (("mouthPress", 0.25), ("mouthRollLower", 0.18), ("mouthRollUpper", 0.18)),
    "labiodental": (("mouthRollLower", 0.42), ("mouthUpperUp", 0.32), ("mouthShrugLower", 0.15)),
    "pucker": (("roundPucker", 1.0),),
    "funnel": (("roundFunnel", 0.9),),
    "stretch": (("mouthStretch", 0.8),),
    "upper_up": (("mouthUpperUp", 0.7),),
    "lower_down": (("mouthLowerDown", 0.8),),
}
_FACE_SHAPES: dict[str, tuple[tuple[str, float], ...]] = {
    "tongue_tip": (("tongueTip", 1.0),),
    "tongue_out": (("tongueOut", 1.0),),
    "tongue_back": (("tongueBack", 1.0),),
    "squint": (("eyeSquint", 1.0), ("cheekSquint", 0.3)),
    "wide": (("eyeWide", 1.0),),
    "brow_inner": (("browInnerUp", 1.0),),
    "brow_outer": (("browOuterUp", 0.8),),
    "brow_down": (("browDown", 1.0),),
    "smile": (("mouthSmile", 0.75), ("cheekSquint", 0.3), ("mouthDimple", 0.1)),
    "frown": (("mouthFrown", 0.8), ("mouthShrugLower", 0.15)),
}
_JAW = (("jawOpen", 1.0), ("mouthUpperUp", 0.3), ("mouthLowerDown", 0.2))
_WIDEN = (("mouthStretch", 0.6), ("mouthSmile", 0.4))
_NARROW = (("roundPucker", 0.8), ("roundFunnel", 0.2))
_LIMITS = {name: 1.0 for name in CHANNELS}
_LIMITS |= {"aperture": 0.25, "width": 0.2, "gaze_x": 0.6, "gaze_y": 0.5, "smile": 1.2}
_LIMITS |= {"yaw": 0.5, "pitch": 0.45, "roll": 0.6, "shift_x": 0.3, "shift_y": 0.3, "shift_z": 0.5}
_LIMITS |= {"pucker": 1.2, "funnel": 1.2, "stretch": 1.2, "upper_up": 1.2, "lower_down": 1.2, "wide": 1.2}
_SIGNED = {"width", "gaze_x", "gaze_y", "smile", "yaw", "pitch", "roll", "shift_x", "shift_y", "shift_z"}


OWN_SHAPES = len(NAMES) + 3
"""Shapes that a rig adds to the head's."""
_SOLVED_LAST = 3
"""Of these, the last, which come after all that opens and narrows the mouth."""


@dataclass(frozen=True, slots=True)
class Pose:
    """Where the head is: `v` lands at `anchor + scale * (rotation @ (v - PIVOT))[:2] * (1, -1)`."""

    rotation: F32
    """float32 [3, 3], the portrait's own turn included."""
    scale: float
    anchor: F32
    """The pivot in the picture, float32 [2], px."""

    def project(self, points: F32) -> F32:
        """Head points [N, 3] -> float32 [N, 3]: x px, y px, nearness px."""
        matrix = (self.rotation * np.array([[1], [-1], [1]], np.float32)) * np.float32(self.scale)
        placed = (points - np.array(PIVOT, np.float32)) @ matrix.T
        placed[:, :2] += self.anchor
        return np.asarray(placed, np.float32)


def limited(coeffs: F32) -> F32:
    """Coefficients brought into what the rig can show; what is not a number counts as rest."""
    low = np.array([-_LIMITS[n] if n in _SIGNED else 0.0 for n in CHANNELS], np.float32)
    high = np.array([_LIMITS[n] for n in CHANNELS], np.float32)
    return np.clip(np.nan_to_num(coeffs, nan=0.0, posinf=0.0, neginf=0.0), low, high)


def turn(yaw: float, pitch: float, roll: float) -> F32:
    """Rotation float32 [3, 3] of the head against its portrait; signs as in `sonic_stream.types`."""
    cy, sy, cp, sp, cr, sr = *_cos_sin(yaw), *_cos_sin(pitch), *_cos_sin(roll)
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, sr, 0], [-sr, cr, 0], [0, 0, 1]])
    return np.asarray(about_y @ about_x @ about_z, np.float32)


def _cos_sin(angle: float) -> tuple[float, float]:
    return float(np.cos(angle)), float(np.sin(angle))


class Rig:
    """One identity's rig; immutable once built.

    `basis` float32 [E + OWN_SHAPES, V, 3] holds the head's shapes, those of rounded lips, then this person's
    own: the closing of the left and of the right eye, and the easing of the lips' rims as they part. Weights
    are absolute: the portrait itself is `portrait`, rest is `rest`.
    """

    def __init__(self, head: Head, identity: Identity) -> None:
        self.head = head
        self._names = {name: i for i, name in enumerate((*head.expression_names, *NAMES))}
        count = len(self._names)
        self.portrait = np.concatenate([identity.expression, np.zeros(OWN_SHAPES, np.float32)]).astype(
            np.float32
        )
        self._base_pose(identity)
        self._shapes = shapes = np.concatenate([head.expression, rounding_shapes()])
        self._middle = [int(head.landmarks[i]) for i in (13, 14)]
        self._ends = [int(head.landmarks[i]) for i in (10, 152)]
        self._corners = [int(head.landmarks[i]) for i in (61, 291)]
        self._gap_k = (shapes[:, self._middle[0], 1] - shapes[:, self._middle[1], 1]).astype(np.float64)
        self._height_k = (shapes[:, self._ends[0], 1] - shapes[:, self._ends[1], 1]).astype(np.float64)
        self._width_k = (shapes[:, self._corners[1], 0] - shapes[:, self._corners[0], 0]).astype(np.float64)
        heights = shapes[:, [*self._corners, *self._middle], 1].astype(np.float64)
        self._sag_k = heights[:, :2].mean(1) - heights[:, 2:].mean(1)
        base = identity.vertices.astype(np.float64)
        self._gap_0 = base[self._middle[0], 1] - base[self._middle[1], 1]
        self._height_0 = base[self._ends[0], 1] - base[self._ends[1], 1]
        self._width_0 = base[self._corners[1], 0] - base[self._corners[0], 0]
        self._settle_rest(identity)
        lids = self._closing_shapes(identity)
        ease = self._easing(identity)[None]
        self.basis = np.ascontiguousarray(np.concatenate([shapes, lids, ease]).astype(np.float32))
        worn = identity.vertices + np.tensordot(self.portrait, self.basis, 1)
        held = held_by_glasses(head, identity, self.source_pose.project(np.asarray(worn, np.float32)))
        if held is not None:
            self.basis *= 1 - held[:, None]
        self.lids = (count, count + 1)
        """Rows of the closing of the left and of the right eye."""
        self._jaw_row, self._widen_row, self._narrow_row = map(self._row, (_JAW, _WIDEN, _NARROW))
        self._close_row = self._row((("mouthClose", 1.0),))
        self._rows = {name: self._row(parts) for name, parts in {**_MOUTH_SHAPES, **_FACE_SHAPES}.items()}
        self._lids_fit = identity.lids_fit
        self._hole = Hole(head, gaps()[0])
        self._resting = np.asarray(np.tensordot(self.rest - self.portrait, self.basis, 1), np.float32)

    def _base_pose(self, identity: Identity) -> None:
        pivot = np.array(PIVOT, np.float32)
        anchor = identity.translation + identity.scale * (identity.rotation @ pivot)[:2] * (1, -1)
        self.source_pose = Pose(
            identity.rotation.astype(np.float32), float(identity.scale), np.asarray(anchor, np.float32)
        )

    def _row(self, parts: tuple[tuple[str, float], ...]) -> F64:
        """Weights float64 [E] that an activation of 1 adds."""
        row = np.zeros(len(self._names))
        for name, share in parts:
            for full in (name, f"{name}_L", f"{name}_R"):
                if full in self._names:
                    row[self._names[full]] += share
        assert row.any(), parts
        return row

    def _settle_rest(self, identity: Identity) -> None:
        """Chooses the weights at rest, and which gap of the landmarks means that the lips just touch."""
        own = np.concatenate([identity.expression, np.zeros(len(NAMES))]).astype(np.float64)
        relaxed = own.copy()
        for name, i in self._names.items():
            if name.startswith(("mouthSmile", "mouthDimple")):
                relaxed[i] *= _KEPT_SMILE
            elif name.startswith(("mouth", "jaw")):
                relaxed[i] = 0.0
        own_gap = self._gap(own)
        share = float(np.clip((own_gap / self._height(own) - _SHUT_GAP) / (_PARTED_GAP - _SHUT_GAP), 0, 1))
        self.relaxing = share
        """How much of the portrait's own mouth is undone at rest, 0 (shut anyway) .. 1 (showing teeth)."""
        jaw = self._names["jawOpen"]
        contact = relaxed.copy()
        contact[jaw] = self._jaw_of_contact(identity, relaxed)
        rest = own + share * (contact - own)
        self.touch_gap = (1 - share) * own_gap + share * self._gap(contact)
        self._rest_e = rest
        # Shut lips overlap a little: the first part of every opening only undoes that.
        self._overlap = float(np.clip(-self._visible_gap(identity, rest), 0, 0.015))
        self.rest = np.concatenate([rest, np.zeros(_SOLVED_LAST)]).astype(np.float32)

    def _visible_gap(self, identity: Identity, weights: F64) -> float:
        """The gap that is seen in the middle of the mouth, over face height; below 0 the lips overlap."""
        vertices = identity.vertices + np.tensordot(weights.astype(np.float32), self._shapes, 1)
        slit = slit_of(gaps()[0], self.source_pose.project(np.asarray(vertices, np.float32)))
        middle = np.nan_to_num(slit.bottom - slit.top)[3 * len(slit.top) // 8 : 5 * len(slit.top) // 8]
        return float(np.mean(middle)) / (self._height(weights) * identity.scale)

    def _jaw_of_contact(self, identity: Identity, weights: F64) -> float:
        """The jawOpen at which the middles of the lips just touch in the portrait's view."""
        low, high = -0.3, 0.3
        trial = weights.copy()
        for _ in range(12):
            trial[self._names["jawOpen"]] = (low + high) / 2
            if self._visible_gap(identity, trial) > 0:
                high = (low + high) / 2
            else:
                low = (low + high) / 2
        return (low + high) / 2

    def _easing(self, identity: Identity) -> F32:
        """The movement float32 [V, 3] that evens the lips' edges once they are parted."""
        parted = self._rest_e.copy()
        parted[self._names["jawOpen"]] += 0.25
        vertices = identity.vertices + np.tensordot(parted.astype(np.float32), self._shapes, 1)
        placed = self.source_pose.project(np.asarray(vertices, np.float32))
        down = -self.source_pose.rotation[1] / np.float32(identity.scale)
        return ease_shape(gaps()[0], placed, slit_of(gaps()[0], placed), down)

    def _gap(self, weights: F64) -> float:
        return float(self._gap_0 + weights @ self._gap_k)

    def _height(self, weights: F64) -> float:
        return float(self._height_0 + weights @ self._height_k)

    def aperture_of(self, weights: F32) -> float:
        """The aperture that is seen at `weights`: visible gap over face height, 0 where the lips touch."""
        e = weights[:-_SOLVED_LAST].astype(np.float64)
        gap = (self._gap(e) - self.touch_gap) / self._height(e)
        if gap < _PART_AT + self._overlap:
            return gap / (1 + self._overlap / _PART_AT)
        return gap - self._overlap

    def width_of(self, weights: F32) -> float:
        """The change of the mouth's width at `weights` against rest, over the face height at rest."""
        e = weights[:-_SOLVED_LAST].astype(np.float64)
        return float((e - self._rest_e) @ self._width_k / self._height(self._rest_e))

    def _closing_shapes(self, identity: Identity) -> F32:
        """The movement float32 [2, V, 3] that shuts each eye from rest: its lids meet in one line."""
        head = self.head
        resting = identity.vertices + np.tensordot(self._rest_e.astype(np.float32), self._shapes, 1)
        shapes = np.zeros((2, *head.mean.shape), np.float32)
        for side, (letter, opening) in enumerate(zip("LR", gaps()[1:], strict=True)):
            upper, lower = head.lid_rims[2 * side], head.lid_rims[2 * side + 1]
            blink = head.expression[self._names[f"eyeBlink_{letter}"]]
            gap = resting[upper, 1] - resting[lower, 1]
            closing = blink[lower, 1] - blink[upper, 1]
            inner = slice(2, -2)
            gain = float(np.clip(gap[inner].sum() / max(float(closing[inner].sum()), 1e-3), 0.3, 3.0))
            shape = gain * blink
            meeting = _smooth_lid_line(resting[lower] + shape[lower])
            for rim in (opening.upper, opening.lower):
                wrong = meeting - (resting[rim.line] + shape[rim.line])
                shape[rim.vertices] += _spread(resting, rim, wrong)
            shapes[side] = shape
        return shapes

    def weights(self, coeffs: F32) -> F32:
        """Expression weights float32 [E + OWN_SHAPES] for `coeffs` (already `limited`)."""
        value = {name: float(coeffs[i]) for name, i in CHANNEL_INDEX.items()}
        still = self._rest_e.copy()
        for name in _FACE_SHAPES:
            still += value[name] * self._rows[name]
        if value["smile"] < 0:
            smiling = self._rows["smile"] > 0
            still[smiling] = np.maximum(still[smiling], 0.0)
        shut = np.array([value["blink_left"], value["blink_right"]])
        if not self._lids_fit:
            shut *= 0.0
        self._lids(still, value, shut)
        faced = still.copy()
        for name in _MOUTH_SHAPES:
            still += value[name] * self._rows[name]
        solved = self._solve_mouth(still, faced, value)
        # A rounded mouth opens about its middle: its corners lie there too, not at the upper lip.
        sinking = max(0.0, float((solved - self._rest_e) @ self._sag_k))
        sinking += _DROP * value["aperture"] * self._height_0
        solved[self._names["roundDrop"]] += rounded(coeffs) * sinking * (1 - value["close"])
        ease = max(value["close"], value["labiodental"], min(1.0, value["aperture"] / _EASED_AT))
        return np.concatenate([solved, shut, [ease]]).astype(np.float32)

    def moved(self, coeffs: F32, weights: F32) -> F32:
        """How far points are from where the portrait has them, float32 [V, 3]; `weights` of `coeffs`."""
        change = weights - self.portrait
        active = np.flatnonzero(change)
        flat = self.basis.reshape(len(self.basis), -1)
        moved = np.asarray((change[active] @ flat[active]).reshape(-1, 3), np.float32)
        hole, at_teeth = rounded(coeffs), float(coeffs[CHANNEL_INDEX["labiodental"]])
        if hole > 0 or at_teeth > 0:
            moved -= self._resting
            self._hole.close_beside(moved, hole, at_teeth, float(coeffs[CHANNEL_INDEX["aperture"]]))
            moved += self._resting
        return moved

    def _lids(self, still: F64, value: dict[str, float], shut: F64) -> None:
        """Lids follow the gaze and give way to the closing, in place."""
        down, up = max(value["gaze_y"], 0.0) / 0.5, max(-value["gaze_y"], 0.0) / 0.5
        for side, letter in enumerate("LR"):
            still[self._names[f"eyeLookDown_{letter}"]] += 0.55 * down
            still[self._names[f"eyeLookUp_{letter}"]] += 0.6 * up
            open_share = 1.0 - shut[side]
            for shape in ("eyeSquint", "eyeWide", "eyeLookDown", "eyeLookUp", "eyeBlink"):
                i = self._names[f"{shape}_{letter}"]
                still[i] = self._rest_e[i] + open_share * (still[i] - self._rest_e[i])

    def _solve_mouth(self, still: F64, faced: F64, value: dict[str, float]) -> F64:
        """Adds the jaw (or the lips' closing) and the corners that give aperture and width."""
        aperture = value["aperture"] * (1.0 - value["close"])
        # From here on the aperture counts between the landmarks, so it holds the overlap of shut lips too.
        aperture += self._overlap * min(1.0, aperture / _PART_AT)
        gap_wanted = aperture * self._height(still) + self.touch_gap - 0.003 * value["close"] * self._height_0
        width_still = float((still - faced) @ self._width_k)
        jaw_asked = 0.45 * value["jaw"] * (1 - 0.5 * value["close"])
        wanted = np.array(
            [gap_wanted - self._gap(still), value["width"] * self._height(self._rest_e) - width_still]
        )

        def column(row: F64) -> F64:
            return np.array([row @ self._gap_k - aperture * (row @ self._height_k), row @ self._width_k])

        # The corners: what rounds or spreads the lips already gives way before its opposite is added.
        rounding = value["pucker"] * self._rows["pucker"] + value["funnel"] * self._rows["funnel"]
        spreading = value["stretch"] * self._rows["stretch"]
        solved = still
        for gives_way, adds in ((rounding, self._widen_row), (spreading, self._narrow_row)):
            pulled, much = (
                self._solve(still, wanted, -gives_way, column, jaw_asked) if gives_way.any() else (still, 1.0)
            )
            if much > _GIVES_WAY:
                firm = -_GIVES_WAY * gives_way
                pulled, much = self._solve(still + firm, wanted - column(firm), adds, column, jaw_asked)
            solved = pulled
            if much >= 0:
                break
        return solved

    def _solve(
        self, still: F64, wanted: F64, corner: F64, column: Callable[[F64], F64], jaw_asked: float
    ) -> tuple[F64, float]:
        """Weights with the jaw, or else the closing of the lips, and `corner` added; and how much of it."""
        jaw, much = np.linalg.solve(np.stack([column(self._jaw_row), column(corner)], 1), wanted)
        shut = 0.0
        if jaw < jaw_asked:
            jaw = jaw_asked
            matrix = np.stack([column(self._close_row), column(corner)], 1)
            shut, much = np.linalg.solve(matrix, wanted - jaw * column(self._jaw_row))
        jaw = min(float(jaw), _MOST_JAW)
        bounded = float(np.clip(much, 0.0, _CORNER_LIMIT))
        return still + jaw * self._jaw_row + float(shut) * self._close_row + bounded * corner, float(much)

    def pose(self, coeffs: F32) -> Pose:
        """The head's place for `coeffs` (already `limited`)."""
        c = {name: float(coeffs[CHANNEL_INDEX[name]]) for name in ("yaw", "pitch", "roll")}
        x, y, z = (float(coeffs[CHANNEL_INDEX[f"shift_{axis}"]]) for axis in "xyz")
        source = self.source_pose
        face_px = self._height_0 * source.scale
        return Pose(
            np.asarray(turn(c["yaw"], c["pitch"], c["roll"]) @ source.rotation, np.float32),
            source.scale * (1 + _APPROACH * z),
            np.asarray(source.anchor + np.array([x, y]) * face_px, np.float32),
        )


def _smooth_lid_line(line: F32) -> F32:
    """A lid line [N, 3] without waves: the chord between its corners and a simple sag."""
    place = np.linspace(0, 1, len(line))
    way = np.r_[0, np.cumsum(np.linalg.norm(np.diff(line[:, :2], axis=0), axis=1))]
    place = way / max(way[-1], 1e-6)
    chord = line[0] + place[:, None] * (line[-1] - line[0])
    shapes = np.stack([place * (1 - place), place * (1 - place) * (place - 0.5)], 1)
    sag, *_ = np.linalg.lstsq(shapes, (line - chord)[:, 1], rcond=None)
    smooth = line.copy()
    smooth[:, 1] = chord[:, 1] + shapes @ sag
    return np.asarray(smooth, np.float32)


def _spread(points: F32, rim: Rim, wrong: F32) -> F32:
    """Carries the correction [N, 3] of a lid's rim to all its vertices, fading away from the rim."""
    apart = np.abs(points[rim.vertices, None, 0] - points[rim.line][None, :, 0])
    weight = np.exp(-((apart / 0.3) ** 2)) + 1e-6
    share = weight / weight.sum(1, keepdims=True)
    fade = np.clip(1 + np.minimum(rim.beyond, 0) / 1.0, 0, 1) ** 1.5
    moved = (share @ wrong) * fade[:, None]
    for k, vertex in enumerate(rim.line):
        moved[rim.vertices == vertex] = wrong[k]
    return np.asarray(moved, np.float32)


__all__ = ["PIVOT", "Pose", "Rig", "limited", "turn"]
