"""Portraits: every format that is promised, and every broken one refused in words."""

import io
import struct
import sys
import zlib

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms

from sonic_stream.errors import BadInputError
from sonic_stream.media import image as image_module
from sonic_stream.media.image import load_image, read_image_bytes


@pytest.fixture
def picture() -> Image.Image:
    ramp = np.zeros((60, 80, 3), np.uint8)
    ramp[:, :40] = (250, 10, 10)
    ramp[:, 40:] = (10, 10, 250)
    return Image.fromarray(ramp)


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    if kind == "HEIF":
        pillow_heif.register_heif_opener()
    picture.save(out, kind, **options)
    return out.getvalue()


MODES = {
    "PNG": ["RGB", "L", "LA", "P", "RGBA", "1"],
    "JPEG": ["RGB", "L", "CMYK"],
    "WEBP": ["RGB", "RGBA"],
    "AVIF": ["RGB", "RGBA"],
    "HEIF": ["RGB", "RGBA"],
}


@pytest.mark.parametrize(("kind", "mode"), [(kind, mode) for kind in MODES for mode in MODES[kind]])
def test_reads_what_it_promises(picture, kind, mode):
    pixels = load_image(encoded(picture.convert(mode), kind))
    assert pixels.shape == (60, 80, 3) and pixels.dtype == np.uint8
    if mode in ("RGB", "P", "RGBA"):
        assert np.abs(pixels[30, 10].astype(int) - (250, 10, 10)).max() < 20
        assert np.abs(pixels[30, 70].astype(int) - (10, 10, 250)).max() < 20


def test_png_is_exact(picture):
    np.testing.assert_array_equal(load_image(encoded(picture, "PNG")), np.asarray(picture))


def test_turned_upright_by_exif(picture):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: the stored picture has to be rotated by 90 degrees
    pixels = load_image(encoded(picture, "JPEG", exif=exif, quality=95))
    assert pixels.shape == (80, 60, 3)
    assert pixels[10, 30, 0] > 200 and pixels[70, 30, 2] > 200


def test_alpha_is_laid_on_white(picture):
    cut_out = picture.convert("RGBA")
    cut_out.putalpha(Image.fromarray(np.repeat([[0] * 40 + [255] * 40], 60, 0).astype(np.uint8)))
    pixels = load_image(encoded(cut_out, "PNG"))
    assert (pixels[:, :40] == 255).all()
    assert (pixels[:, 40:] == (10, 10, 250)).all()


def test_sixteen_bit_grey_keeps_its_range():
    grey = Image.fromarray((np.arange(64 * 64).reshape(64, 64) * 16).astype(np.uint16))
    pixels = load_image(encoded(grey, "PNG"))
    assert pixels.min() == 0 and pixels.max() == 254


def test_a_path_and_its_bytes_are_the_same(picture, tmp_path):
    path = tmp_path / "p.png"
    path.write_bytes(encoded(picture, "PNG"))
    np.testing.assert_array_equal(load_image(path), load_image(read_image_bytes(path)))


def png_that_claims(width: int, height: int) -> bytes:
    """A tiny PNG file whose header names a huge size."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 99))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"just some words\n" * 40, "is text, not a picture"),
        (b"GIF89a" + bytes(50), "of a kind that is not read"),
        (b"\x89PNG\r\n\x1a\n" + bytes(80), "not a picture"),
        (png_that_claims(10_000, 10_000), "10000 x 10000 pixels .100 megapixels.; a PNG, JPEG, WebP"),
        (png_that_claims(60_000, 60_000), "megapixels"),
        (png_that_claims(300, 300), "damaged or cut off"),
        (png_that_claims(4, 300), "only 4 x 300 pixels"),
    ],
)
def test_what_is_no_picture_is_refused_in_words(data, words):
    with pytest.raises(BadInputError, match=words):
        load_image(data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF", "HEIF"])
def test_cut_off_files_are_refused(kind):
    grain = Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8))
    whole = encoded(grain, kind)
    with pytest.raises(BadInputError, match="damaged or cut off"):
        load_image(whole[: len(whole) // 2])


def test_without_its_library_a_heic_picture_says_what_to_do(picture, monkeypatch):
    data = encoded(picture, "HEIF")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(BadInputError, match="HEIC picture, which takes 'pip install pillow-heif'"):
        load_image(data)


def test_a_telephone_picture_is_upright_and_in_srgb(picture):
    exif = Image.Exif()
    exif[0x0112] = 6  # written as a rotation of the picture, which is what counts in this format
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = encoded(picture, "HEIF", exif=exif.tobytes(), icc_profile=profile, quality=95)
    pixels = load_image(data)
    assert pixels.shape == (80, 60, 3)
    assert pixels[10, 30, 0] > 200 and pixels[70, 30, 2] > 200


def test_a_huge_file_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path = tmp_path / "huge.png"
    with path.open("wb") as file:
        file.truncate(51 * 2**20)
    with pytest.raises(BadInputError, match="51 MB"):
        load_image(path)
    monkeypatch.setattr(image_module, "MAX_FILE_BYTES", 10)
    with pytest.raises(BadInputError, match="over 50 MB"):
        load_image(bytes(11))


def test_paths_that_are_no_files(tmp_path):
    with pytest.raises(BadInputError, match="no portrait"):
        load_image(tmp_path / "absent.png")
    with pytest.raises(BadInputError, match="is a folder"):
        load_image(tmp_path)
    with pytest.raises(BadInputError, match="is not a path"):
        load_image("a\0b.png")
    named = tmp_path / "words.png"
    named.write_text("not a picture")
    with pytest.raises(BadInputError, match=r"words\.png' is text, not a picture"):
        load_image(named)
