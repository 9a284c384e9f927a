from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path

import numpy as np
import pytest

from vision.data.readers.pipe import PipeReader
from vision.data.recordio.record import pack
from vision.sagemaker.pipe_feeder import PipeFeeder, file_bytes, manifest_records, wrap
from vision.settings.errors import UserError

PNG = bytes.fromhex("89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de") + b"rest"
JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffc0000b080001000101011100") + b"rest\xff\xd9"


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tmp_path / "train"


def fed(base: Path, *passes: bytes, image_labels: bool = False) -> PipeReader:
    """A reader of pipes that hold these bytes; regular files play the FIFOs."""
    for number, content in enumerate(passes):
        base.with_name(f"{base.name}_{number}").write_bytes(content)
    return PipeReader(base, stall_timeout_s=0.3, image_labels=image_labels)


def test_image_records_come_with_labels_and_names(base: Path) -> None:
    reader = fed(base, wrap(pack(3, 17, JPEG)) + wrap(pack([0, 1, 1], 18, PNG)))
    samples = list(reader.next_pass())
    assert [bytes(sample.encoded) for sample in samples] == [JPEG, PNG]
    assert [np.asarray(sample.target).tolist() for sample in samples] == [[3.0], [0.0, 1.0, 1.0]]
    assert [sample.key for sample in samples] == ["train_0 record 0 (id 17)", "train_0 record 1 (id 18)"]
    assert len(reader) == 2


# What the platform sends for a label, by the manifest's value (contract 4.6).
BOXES = {"image_size": [{"width": 5, "height": 4, "depth": 3}], "annotations": []}
LABELS = [
    (b"0", 0),
    (b"[1, 0, 1]", [1, 0, 1]),
    (b"[0,2]", [0, 2]),
    (json.dumps(BOXES).encode(), BOXES),
]


@pytest.mark.parametrize(("text", "target"), LABELS)
def test_manifest_pairs_give_the_labels_value(base: Path, text: bytes, target: object) -> None:
    reader = fed(base, wrap(PNG) + wrap(text) + wrap(JPEG) + wrap(text))
    samples = list(reader.next_pass())
    assert [sample.target for sample in samples] == [target, target]
    assert [sample.key for sample in samples] == ["train_0 record 0", "train_0 record 1"]


def test_an_image_may_label_the_pixels_of_the_one_before(base: Path) -> None:
    reader = fed(base, wrap(JPEG) + wrap(PNG) + wrap(PNG) + wrap(PNG), image_labels=True)
    assert [(sample.encoded, sample.target) for sample in reader.next_pass()] == [(JPEG, PNG), (PNG, PNG)]


@pytest.mark.parametrize(
    ("label", "sentence"),
    [
        (b"1", "no image that labels its pixels; AttributeNames must be the image, then the label"),
        (b"{}", "no image that labels its pixels"),
        (b"", "no image that labels its pixels"),
        (JPEG, "a JPEG image, which cannot label pixels: AttributeNames must be the image, then the label"),
    ],
)
def test_what_follows_must_then_be_an_image(base: Path, label: bytes, sentence: str) -> None:
    with pytest.raises(UserError, match=f"train_0 record 0: is followed by {sentence}"):
        list(fed(base, wrap(JPEG) + wrap(label), image_labels=True).next_pass())


WRONG = [
    (b"", "train_0: holds no records"),
    (wrap(b"1") + wrap(PNG), "AttributeNames must be the image, then the label"),
    (wrap(json.dumps(BOXES).encode()) + wrap(PNG), "AttributeNames must be the image, then the label"),
    (wrap(PNG) + wrap(JPEG), "train_0 record 0: is followed by another image"),
    (wrap(PNG) + wrap(b"1") + wrap(JPEG), "train_0 record 1: is an image without a label"),
    (wrap(PNG) + wrap(b"\xff\xfe\x00"), "no text"),
    (wrap(wrap(pack(1, 1, JPEG))), "set the channel's RecordWrapperType to None"),
    (wrap(pack(1, 1, JPEG))[:-8], "the stream ends at byte"),
    (b"PK\x03\x04 this is a zip", "expected the record magic"),
]


@pytest.mark.parametrize(("content", "sentence"), WRONG)
def test_a_wrong_stream_is_a_sentence(base: Path, content: bytes, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        list(fed(base, content).next_pass())
    assert sentence in str(caught.value)


def test_each_pass_opens_the_next_pipe(base: Path) -> None:
    first, second = wrap(pack(1, 1, PNG)), wrap(pack(2, 2, PNG)) * 2
    reader = fed(base, first, second)
    assert [len(list(reader.next_pass())) for _ in range(2)] == [1, 2]
    with pytest.raises(UserError, match=r"train_2 did not appear within 0\.3 s"):
        list(reader.next_pass())


def test_fifos_are_fed_for_as_long_as_somebody_reads(base: Path) -> None:
    record = wrap(pack(1, 1, PNG + bytes(300_000)))
    source = base.with_name("train.rec")
    source.write_bytes(record * 3)
    feeder = PipeFeeder(base, file_bytes([source]))
    feeder.start()
    reader = PipeReader(base, stall_timeout_s=20)
    counts = [len(list(reader.next_pass())) for _ in range(3)]
    early = reader.next_pass()
    next(early)
    assert isinstance(early, Generator)
    early.close()
    counts.append(len(list(reader.next_pass())))
    feeder.stop()
    assert counts == [3, 3, 3, 3]
    assert feeder.opened == 5


def test_a_stall_is_a_sentence(base: Path) -> None:
    source = base.with_name("train.rec")
    source.write_bytes(wrap(pack(1, 1, PNG)) * 2)
    feeder = PipeFeeder(base, file_bytes([source]), stall_after=100)
    feeder.start()
    with pytest.raises(UserError, match=r"train_0 stalled: no data for 0\.5 s .* after 100 bytes"):
        list(PipeReader(base, stall_timeout_s=0.5).next_pass())
    feeder.stop()


def test_a_manifest_is_sent_attribute_by_attribute_and_shuffled_by_pass(base: Path, tmp_path: Path) -> None:
    lines = []
    for number in range(20):
        (tmp_path / f"{number}.png").write_bytes(PNG + bytes([number]))
        lines.append(json.dumps({"source-ref": f"s3://b/data/{number}.png", "class": number, "class-metadata": {}}))
    manifest = tmp_path / "train.manifest"
    manifest.write_text("\n".join(lines))
    feeder = PipeFeeder(base, manifest_records(manifest, ("source-ref", "class"), shuffle_seed=1), passes=2)
    feeder.start()
    reader = PipeReader(base, stall_timeout_s=20)
    passes = [list(reader.next_pass()) for _ in range(2)]
    feeder.join()
    orders = [[sample.target for sample in samples] for samples in passes]
    assert orders[0] != orders[1]
    for samples in passes:
        assert sorted(int(str(sample.target)) for sample in samples) == list(range(20))
        assert all(bytes(sample.encoded) == PNG + bytes([int(str(sample.target))]) for sample in samples)


def test_records_are_named_but_not_given_again(base: Path) -> None:
    reader = PipeReader(base, 1, expected=7)
    assert (len(reader), reader.key(5)) == (7, "train record 5")
    for read in (reader.target, reader.__getitem__):
        with pytest.raises(UserError, match="train record 5: was streamed and cannot be read again"):
            read(5)
