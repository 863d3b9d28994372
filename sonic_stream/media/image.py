"""Portrait files -> pixels, with everything checked before anything is decoded.

Sizes come from the file's header, so a picture that would not fit is refused before its pixels are
touched; what the decoder then makes is never larger than the header said.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from sonic_stream.errors import BadInputError
from sonic_stream.types import U8

FORMATS: Final = ("PNG", "JPEG", "WEBP", "AVIF")
SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".webp", ".avif", ".heic", ".heif")
"""Of files that may be portraits."""
MAX_FILE_BYTES: Final = 50 * 1024 * 1024
MAX_PIXELS: Final = 64_000_000
MIN_SIDE_PX: Final = 16
_VALID: Final = "a PNG, JPEG, WebP, AVIF or HEIC picture of at most 64 megapixels and 50 MB is needed"
_HEIC: Final = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx")
_AVIF: Final = (b"avif", b"avis")
"""Brands in a file's first box (ISO/IEC 23008-12; AV1 Image File Format)."""


def read_image_bytes(path: str | Path) -> bytes:
    """The bytes of a picture file. Errors: `BadInputError` (absent, a folder, empty, too large)."""
    path = Path(path)
    try:
        if path.is_dir():
            raise BadInputError(f"'{path}' is a folder; {_VALID}.")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise BadInputError(f"'{path}' is {path.stat().st_size / 2**20:.0f} MB large; {_VALID}.")
        # One byte more than allowed, so that a pipe or a growing file cannot pass the limit.
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise BadInputError(f"There is no portrait '{path}'; give the path of an existing picture.") from None
    except OSError as error:
        raise BadInputError(f"The portrait '{path}' cannot be read ({error.strerror}).") from None
    except ValueError:  # a path with a zero byte
        raise BadInputError(f"{str(path)!r} is not a path.") from None
    _check_bytes(data, f"'{path}'")
    return data


def load_image(source: str | Path | bytes) -> U8:
    """A picture as uint8 [H, W, 3] RGB (sRGB), turned upright by its EXIF tag, alpha laid on white.

    Errors: `BadInputError` when it is not a PNG, JPEG, WebP, AVIF or (with pillow-heif) HEIC picture, is
    broken, or is over the limits.
    """
    if isinstance(source, bytes):
        data, name = source, "The picture"
        _check_bytes(data, name)
    else:
        data, name = read_image_bytes(source), f"'{source}'"
    try:
        with warnings.catch_warnings():
            # Pillow's own limit is above ours; our message is the better one.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=_formats(data)) as image:
                _check_size(image.width, image.height, name)
                return _upright_rgb(image)
    except Image.DecompressionBombError:
        raise BadInputError(f"{name} says it has over 178 megapixels; {_VALID}.") from None
    except UnidentifiedImageError:
        raise BadInputError(f"{name} is {_what_it_is(data)}; {_VALID}.") from None
    except (OSError, SyntaxError, ValueError, EOFError, MemoryError) as error:
        # Pillow reports broken files by all of these.
        raise BadInputError(
            f"{name} is damaged or cut off ({_reason(error)}); save or download it again."
        ) from None


def _check_bytes(data: bytes, name: str) -> None:
    if not data:
        raise BadInputError(f"{name} is empty; {_VALID}.")
    if len(data) > MAX_FILE_BYTES:
        raise BadInputError(f"{name} is over 50 MB large; {_VALID}.")


def _check_size(width: int, height: int, name: str) -> None:
    if width * height > MAX_PIXELS:
        megapixels = width * height / 1e6
        raise BadInputError(
            f"{name} says it is {width} x {height} pixels ({megapixels:.0f} megapixels); {_VALID}."
        )
    if min(width, height) < MIN_SIDE_PX:
        raise BadInputError(
            f"{name} is only {width} x {height} pixels; a portrait should be at least 256 x 256."
        )


def _upright_rgb(image: Image.Image) -> U8:
    image.load()
    upright = ImageOps.exif_transpose(image)
    profile = image.info.get("icc_profile")
    if upright.mode.startswith("I") or upright.mode == "F":  # 16-bit grey, which Pillow would clip
        values = np.asarray(upright, np.float64)
        full = 65535.0 if values.max(initial=0) > 255 else 255.0
        upright = Image.fromarray(np.clip(values * (255.0 / full), 0, 255).astype(np.uint8))
    if "transparency" in upright.info or upright.mode in ("RGBA", "LA", "PA", "RGBa", "La"):
        cut_out = upright.convert("RGBA")
        white = Image.new("RGBA", cut_out.size, (255, 255, 255, 255))
        upright = Image.alpha_composite(white, cut_out).convert("RGB")
    elif profile and upright.mode in ("RGB", "CMYK", "L"):
        upright = _to_srgb(upright, profile)
    return np.array(upright.convert("RGB"), np.uint8)


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """`image` with its colours meant by `profile` brought to sRGB; a broken profile is ignored."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        turned = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image
    return turned if turned is not None else image


def _brands(data: bytes) -> bytes:
    """The names in the first box of a file of the ISO base media format; nothing of another file."""
    return data[8 : int.from_bytes(data[:4])][:256] if data[4:8] == b"ftyp" else b""


def _formats(data: bytes) -> tuple[str, ...]:
    """What may be in a picture file.

    HEIC, as telephones take it, is read by pillow-heif where it is installed: its wheels carry a codec that
    is under the GPL.
    """
    if not any(brand in _brands(data) for brand in _HEIC):
        return FORMATS
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return FORMATS
    register_heif_opener()
    return (*FORMATS, "HEIF")


def _what_it_is(data: bytes) -> str:
    """A guess, for the message, at what a file that is no picture may be."""
    head, brands = data[:4096], _brands(data)
    if any(brand in brands for brand in _HEIC):
        if "HEIF" in _formats(data):
            return "a HEIC picture that is damaged or cut off"
        return "a HEIC picture, which takes 'pip install pillow-heif' (or save it as JPEG)"
    if any(brand in brands for brand in _AVIF):
        return "an AVIF picture that is damaged or cut off"
    if head.startswith((b"GIF8", b"BM", b"II*\0", b"MM\0*", b"%PDF")) or head[4:8] == b"ftyp":
        return "of a kind that is not read here"
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:  # not just a character cut by the end of `head`
            return "not a picture that can be recognised"
    return "not a picture that can be recognised" if b"\0" in head else "text, not a picture"


def _reason(error: BaseException) -> str:
    words = str(error).strip().split("\n")[0]
    return words[:80] if words else type(error).__name__
