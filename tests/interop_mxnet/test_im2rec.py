from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from vision.cli.main import main

LISTED = ("a/0.jpg", "a/1.JPG", "b/2.jpeg", "b/3.png", "b/4.png", "b/5.jpg", "b/6.jpg")


@pytest.fixture
def images(tmp_path: Path, seed: int) -> Path:
    """Large and small, colour and grey, progressive, turned by EXIF, with alpha and with 16 bits."""
    random = np.random.default_rng(seed)

    def picture(height: int, width: int) -> np.ndarray:
        image = cv2.GaussianBlur(random.integers(0, 256, (height, width, 3), np.uint8), (0, 0), 3)
        return cv2.normalize(image, None, 0, 255, cv2.NORM_MINMAX)  # type: ignore[call-overload,no-any-return]

    turned = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(picture(333, 500)).save(turned, "JPEG", exif=exif)
    encoded = {
        "a/0.jpg": cv2.imencode(".jpg", picture(375, 500))[1].tobytes(),
        "a/1.JPG": cv2.imencode(".jpg", picture(641, 427), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes(),
        "b/2.jpeg": cv2.imencode(".jpg", picture(301, 299)[:, :, 0])[1].tobytes(),
        "b/3.png": cv2.imencode(".png", np.dstack([picture(40, 61), picture(40, 61)[:, :, 0]]))[1].tobytes(),
        "b/4.png": cv2.imencode(".png", picture(50, 30).astype(np.uint16) * 200)[1].tobytes(),
        "b/5.jpg": turned.getvalue(),
        "b/6.jpg": cv2.imencode(".jpg", picture(1200, 1600), [cv2.IMWRITE_JPEG_QUALITY, 40])[1].tobytes(),
    }
    for name, content in encoded.items():
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "images"


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--resize", "64"],
        ["--resize", "100", "--center-crop"],
        ["--resize", "319", "--quality", "80"],
        ["--resize", "50", "--encoding", ".png", "--quality", "3"],
        ["--resize", "128", "--color", "0"],
        ["--color", "-1", "--encoding", ".png", "--quality", "9"],
        ["--pass-through"],
        ["--pack-label", "--resize", "33"],
    ],
    ids=lambda words: " ".join(words) or "plain",
)
def test_records_are_mxnet_s_byte_for_byte(words: list[str], images: Path, oracle, tmp_path: Path) -> None:
    lines = [f"{number}\t{number % 2}\t{name}\n" for number, name in enumerate(LISTED)]
    if "--pack-label" in words:
        lines = [line.replace("\t", "\t1\t0\t", 1) for line in lines]
    for side in ("ours", "theirs"):
        (tmp_path / side).mkdir()
        (tmp_path / side / "x.lst").write_text("".join(lines))
    assert main(["im2rec", str(tmp_path / "ours" / "x"), str(images), *words, "--num-thread", "1"]) == 0
    oracle("im2rec", words=["theirs/x", "images", *words])
    for suffix in (".rec", ".idx"):
        ours, theirs = ((tmp_path / side / f"x{suffix}").read_bytes() for side in ("ours", "theirs"))
        assert ours == theirs, suffix


@pytest.mark.parametrize(
    "words",
    [
        ["--recursive"],
        ["--recursive", "--no-shuffle", "--exts", ".jpg", ".png"],
        ["--recursive", "--train-ratio", "0.5"],
        ["--recursive", "--train-ratio", "0.5", "--test-ratio", "0.3"],
        ["--recursive", "--train-ratio", "0", "--test-ratio", "1"],
        ["--recursive", "--train-ratio", "0"],
        ["--recursive", "--train-ratio", "0.9", "--test-ratio", "0.5"],
        ["--recursive", "--train-ratio", "1.5"],
        ["--recursive", "--chunks", "3", "--train-ratio", "0.7", "--test-ratio", "0.3"],
        ["--recursive", "--test-ratio", "0.5"],
    ],
    ids=" ".join,
)
def test_lists_are_mxnet_s(words: list[str], images: Path, oracle, tmp_path: Path) -> None:
    for side in ("ours", "theirs"):
        (tmp_path / side).mkdir()
    assert main(["im2rec", str(tmp_path / "ours" / "x"), str(images), "--list", *words]) == 0
    oracle("im2rec", words=["theirs/x", "images", "--list", *words])
    written = [{path.name: path.read_text() for path in (tmp_path / side).glob("*.lst")} for side in ("ours", "theirs")]
    assert written[0] == written[1]
