"""Every format through every other: what both can hold comes back exactly."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.convert.conftest import images_of, output_in, png
from vision.data.convert.annotated_image import AnnotatedImage, AnnotatedObject
from vision.data.convert.conversion import convert
from vision.data.convert.format import Source, SourceOptions
from vision.data.convert.formats import FORMATS
from vision.data.labels import Task
from vision.data.skipped import Skipped

BOX_FORMATS = tuple(name for name, form in FORMATS.items() if "boxes" in form.labels)
CLASS_FORMATS = tuple(name for name, form in FORMATS.items() if "single" in form.labels)
MULTI_FORMATS = tuple(name for name, form in FORMATS.items() if "multi" in form.labels)
NAMES = ("zebra", "Äpfel & <b>", "a b")


class ListSource(Source):
    def __init__(self, task: Task, images: list[AnnotatedImage]) -> None:
        self.task, self.class_names, self._images = task, NAMES, images

    def __len__(self) -> int:
        return len(self._images)

    def images(self, skipped: Skipped) -> Iterator[AnnotatedImage]:
        yield from self._images


def image(number: int, size_px: tuple[int, int] = (8, 6), **labels: object) -> AnnotatedImage:
    encoded = memoryview(png(*size_px, shade=number))
    return AnnotatedImage(f"sub/{number}.png", f"image {number}", encoded, size_px=size_px, **labels)  # type: ignore[arg-type]


# Quarters, thousandths, and boxes that leave the image or have no area.
PIXELS = st.one_of(
    st.integers(-20, 700).map(float),
    st.integers(-80, 2800).map(lambda q: q / 4),
    st.integers(0, 600_000).map(lambda t: t / 1000),
)


@st.composite
def objects(draw: st.DrawFn) -> AnnotatedObject:
    left, right = sorted((draw(PIXELS), draw(PIXELS)))
    top, bottom = sorted((draw(PIXELS), draw(PIXELS)))
    return AnnotatedObject(draw(st.integers(0, 2)), (left, top, right, bottom), draw(st.booleans()))


def key_facts(found: list[AnnotatedImage], with_difficult: bool) -> dict[str, object]:
    return {
        Path(each.name).name: (
            each.class_ids,
            each.objects
            and [(item.class_id, item.xyxy_px, item.difficult and with_difficult) for item in each.objects],
        )
        for each in found
    }


def chain(task: Task, images: list[AnnotatedImage], forms: tuple[str, ...]) -> list[AnnotatedImage]:
    """The images after they were written in each format and read again."""
    source: Source = ListSource(task, images)
    with tempfile.TemporaryDirectory() as folder:
        for number, form in enumerate(forms):
            output = output_in(Path(folder) / str(number), form)
            done = convert(source, form, output, "copy", 1, lambda count: None)
            assert not done.skipped.sentences
            source = FORMATS[form].source(output, SourceOptions())
        found = list(source.images(Skipped()))
        for each in found:
            encoded = each.image.read_bytes() if isinstance(each.image, Path) else bytes(each.image)
            assert encoded == bytes(images[int(Path(each.name).stem)].image)  # type: ignore[arg-type]
        return found


@pytest.mark.parametrize("first", BOX_FORMATS)
@settings(max_examples=12, deadline=None)
@given(boxes=st.lists(objects(), min_size=1, max_size=4), second=st.sampled_from(BOX_FORMATS))
def test_boxes_come_back_exactly(first: str, boxes: list[AnnotatedObject], second: str) -> None:
    # All classes occur, and the image is larger than any of the boxes' corners, as fractions up to 2 are allowed.
    every_class = tuple(AnnotatedObject(class_id, (1.0, 2.0, 3.0, 4.0)) for class_id in range(3))
    images = [image(0, (640, 480), objects=(*boxes, *every_class)), image(1, (333, 500), objects=every_class)]
    kept = FORMATS[first].keeps_difficult and FORMATS[second].keeps_difficult
    found = chain("boxes", images, (first, second))
    assert key_facts(found, with_difficult=True) == key_facts(images, with_difficult=kept)


@pytest.mark.parametrize("form", BOX_FORMATS)
def test_images_without_boxes_stay(form: str) -> None:
    images = [image(0, objects=(AnnotatedObject(0, (1.0, 1.0, 3.0, 4.0)),)), image(1, objects=())]
    assert key_facts(chain("boxes", images, (form,)), True) == key_facts(images, True)


@pytest.mark.parametrize("first", MULTI_FORMATS)
@settings(max_examples=10, deadline=None)
@given(
    classes=st.lists(st.sets(st.integers(0, 2)), min_size=1, max_size=5),
    second=st.sampled_from(MULTI_FORMATS),
)
def test_sets_of_classes_come_back(first: str, classes: list[set[int]], second: str) -> None:
    images = [image(number, class_ids=tuple(sorted(ids))) for number, ids in enumerate([{0, 1, 2}, *classes])]
    assert key_facts(chain("multi", images, (first, second)), True) == key_facts(images, True)


@pytest.mark.parametrize("first", CLASS_FORMATS)
@settings(max_examples=10, deadline=None)
@given(classes=st.lists(st.integers(0, 2), min_size=1, max_size=5), second=st.sampled_from(CLASS_FORMATS))
def test_classes_come_back_by_name(first: str, classes: list[int], second: str) -> None:
    images = [image(number, class_ids=(class_id,)) for number, class_id in enumerate([0, 1, 2, *classes])]
    found = chain("single", images, (first, second))
    by_name = {Path(each.name).name: NAMES[(each.class_ids or ())[0]] for each in found}
    assert by_name == {f"{number}.png": NAMES[class_id] for number, class_id in enumerate([0, 1, 2, *classes])}


def test_ids_header_and_columns_go_between_lists_and_records() -> None:
    extra = {"id": 2**40, "label.header": [80.0, 110.0]}
    item = AnnotatedObject(1, (1.0, 2.0, 3.0, 4.0), True, {"label.columns": [0.5, 7.0]})
    images = [image(0, objects=(item,), extra=extra)]
    (found,) = chain("boxes", images, ("recordio", "lst", "recordio"))
    assert found.extra == extra
    assert found.objects == (item,)


def test_names_come_back_from_a_manifest(tmp_path: Path) -> None:
    images = [image(number, class_ids=(number,)) for number in range(3)]
    convert(ListSource("single", images), "manifest", tmp_path / "m.manifest", "copy", 1, lambda count: None)
    assert FORMATS["manifest"].source(tmp_path / "m.manifest", SourceOptions()).class_names == NAMES
    found, problems = images_of(tmp_path / "m.manifest", "manifest")
    assert problems == []
    assert [each.name for each in found] == [f"images/sub/{number}.png" for number in range(3)]
