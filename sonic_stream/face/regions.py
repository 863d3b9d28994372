"""Which landmarks of the MediaPipe face mesh belong to what (its published topology).

Rings run around; pairs name an upper and the lower point that meets it. "Left" is the person's left.
"""

from __future__ import annotations

MESH_POINTS = 468
"""Points of the mesh proper; the ten that follow are the irises."""

LIPS_OUTER = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
LIPS_INNER = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191)
LIPS_PAIRS = (
    (191, 95),
    (80, 88),
    (81, 178),
    (82, 87),
    (13, 14),
    (312, 317),
    (311, 402),
    (310, 318),
    (415, 324),
)
MOUTH_RIGHT, MOUTH_LEFT = 61, 291
LIP_UPPER_MIDDLE, LIP_LOWER_MIDDLE = 13, 14

EYE_LEFT = (362, 382, 381, 380, 374, 373, 390, 249, 263, 466, 388, 387, 386, 385, 384, 398)
EYE_RIGHT = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
LIDS_LEFT = ((398, 382), (384, 381), (385, 380), (386, 374), (387, 373), (388, 390), (466, 249))
LIDS_RIGHT = ((173, 155), (157, 154), (158, 153), (159, 145), (160, 144), (161, 163), (246, 7))
CORNERS_LEFT, CORNERS_RIGHT = (362, 263), (133, 33)
"""Inner and outer corner of each eye."""
IRIS_RIGHT, IRIS_LEFT = tuple(range(468, 473)), tuple(range(473, 478))
"""Middle first, then four points of the rim."""

BROW_LEFT = (300, 293, 334, 296, 336, 276, 283, 282, 295, 285)
BROW_RIGHT = (70, 63, 105, 66, 107, 46, 53, 52, 65, 55)

OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
FOREHEAD, CHIN = 10, 152
NOSE_TIP = 1
CHEEK_LEFT = (280, 425, 411, 352, 345, 340, 330, 266)
CHEEK_RIGHT = (50, 205, 187, 123, 116, 111, 101, 36)
FOREHEAD_PATCH = (151, 337, 299, 296, 336, 9, 107, 66, 69, 108)
NOSE_BRIDGE = (6, 197, 195, 5, 4)
