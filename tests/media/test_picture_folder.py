"""A folder of pictures: every pixel, the whole sound, and nothing at all when it cannot be whole."""

import json
import subprocess
import sys
import textwrap

import cv2
import numpy as np
import pytest

from sonic_stream.errors import BadInputError, SonicError
from sonic_stream.media.audio import open_audio
from sonic_stream.media.picture_folder import PictureFolder, check_folder, is_folder
from sonic_stream.media.video import AudioTrack

GRAIN = np.random.default_rng(3).integers(0, 255, (5, 32, 48, 3), np.uint8)


def test_pictures_and_sound_come_back_as_they_were(tmp_path):
    sound = np.random.default_rng(1).uniform(-0.5, 0.5, (2, 9000)).astype(np.float32)
    track = AudioTrack((sound[:, i : i + 700] for i in range(0, 9000, 700)), 2)
    with PictureFolder(f"{tmp_path}/made/", 48, 32, 25, track) as writer:
        for image in GRAIN:
            writer.write(image)
    made = tmp_path / "made"
    assert [p.name for p in tmp_path.iterdir()] == ["made"]
    assert sorted(p.name for p in made.glob("*.png")) == [f"{i:05d}.png" for i in range(5)]
    for i, image in enumerate(GRAIN):
        np.testing.assert_array_equal(cv2.imread(str(made / f"{i:05d}.png"))[..., ::-1], image)
    heard = np.concatenate(list(open_audio(made / "sound.wav").heard()), axis=1)
    np.testing.assert_allclose(heard, sound, atol=1e-4)
    about = json.loads((made / "pictures.json").read_text())
    assert about == {"fps": 25, "pictures": 5, "width": 48, "height": 32, "sound": "sound.wav"}


def test_an_empty_folder_is_filled_and_silence_needs_no_sound(tmp_path):
    (tmp_path / "made").mkdir()
    with PictureFolder(tmp_path / "made", 48, 32) as writer:
        writer.write(GRAIN[0])
    assert sorted(p.name for p in (tmp_path / "made").iterdir()) == ["00000.png", "pictures.json"]


def test_an_error_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), PictureFolder(tmp_path / "made", 48, 32) as writer:
        writer.write(GRAIN[0])
        _ = 1 / 0
    assert list(tmp_path.iterdir()) == []


def test_unusable_folders_are_refused_before_any_work(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    for name, words in (("file", "a file of that name"), ("full", "not empty"), ("a/b", "does not exist")):
        with pytest.raises(BadInputError, match=words):
            check_folder(tmp_path / name)
    assert is_folder("x/") and not is_folder("x") and not is_folder(tmp_path)


def test_a_full_disk_is_told_in_a_sentence_and_leaves_nothing(tmp_path):
    """The disk is played by a limit on file sizes, in a process of its own."""
    script = textwrap.dedent(
        """
        import resource, sys
        import numpy as np
        from sonic_stream.errors import SonicError
        from sonic_stream.media.picture_folder import PictureFolder
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        try:
            with PictureFolder(sys.argv[1], 256, 256) as writer:
                writer.write(np.zeros((256, 256, 3), np.uint8))
                writer.write(np.random.default_rng(0).integers(0, 255, (256, 256, 3), np.uint8))
        except SonicError as error:
            print(error)
            sys.exit(error.exit_code)
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "made"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == SonicError.exit_code, done.stderr
    assert "nothing was kept" in done.stdout and "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
