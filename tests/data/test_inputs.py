"""What is given to predict: Pillow images as a viewer shows them, and what is no image in one line."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from upcycle.config import DataConfig
from upcycle.data import Preprocess, RawImages, RawSplit, from_arrays, prepare_images, read, register_reader
from upcycle.errors import DataError

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 12, 12), dtype=np.uint8)
BLOCK = Preprocess(1, 12, kind="picture")


def lying(image: np.ndarray) -> Image.Image:
    """Stored on its side, with the EXIF orientation that turns it upright."""
    exif, found = Image.Exif(), Image.fromarray(np.rot90(image).copy())
    exif[0x0112] = 6
    found.info["exif"] = exif.tobytes()
    return found


def holed(image: np.ndarray) -> Image.Image:
    """Transparent where the image is 255, over other values."""
    found = Image.fromarray(np.where(image == 255, 9, image)).convert("LA")
    found.putalpha(Image.fromarray(np.where(image == 255, 0, 255).astype(np.uint8)))
    return found


def test_pillow_images_are_prepared_as_a_viewer_shows_them() -> None:
    pixels = PIXELS.copy()
    pixels[:, 2:5, 2:5] = 255
    kinds = [
        Image.fromarray,
        lambda i: Image.fromarray(i).convert("P"),
        lying,
        holed,
        lambda i: Image.fromarray(i).convert("RGB"),
    ]
    for make in kinds:
        assert (prepare_images([make(image) for image in pixels], BLOCK).images[..., 0] == pixels).all()
        assert (prepare_images(make(pixels[0]), BLOCK).images[0, ..., 0] == pixels[0]).all()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (None, "input must be images, or paths of files. Got NoneType"),
        (3, "Got int"),
        (b"png", "Got bytes"),
        ({"a": PIXELS}, "Got dict"),
        ([], "at least one image"),
        (np.ma.masked_greater(PIXELS, 200), "masked values"),
        ([[[1, 2], [3]]], "rows of different shapes"),
        ([Image.new("F", (12, 12))], "picture of 8 or 16 bits. Got float pixels in image 0"),
        ([PIXELS[0], None], "Got NoneType as image 1"),
        (PIXELS[0], "Got shape 12 x 12. Put one image into a list"),
        (PIXELS[0][..., None], "Got shape 12 x 12 x 1. Put one image into a list"),
        (np.stack([PIXELS[0]] * 3, 2), "Got shape 12 x 12 x 3. Put one image into a list"),
        (np.array(3), r"Got shape \(\)\. Put one image into a list"),
    ],
)
def test_what_is_no_image_is_one_line(given: Any, says: str) -> None:
    with pytest.raises(DataError, match=says) as caught:
        prepare_images(given, BLOCK)
    assert len(caught.value.problems) == 1


def test_pillow_images_are_not_taken_for_their_numbers_where_arrays_are_asked_for() -> None:
    palettes = [Image.fromarray(image).convert("P") for image in PIXELS]
    with pytest.raises(DataError, match=r"Got images of Pillow\. Use from_torch"):
        from_arrays(palettes, np.arange(3), config=DataConfig(), seed=0)  # type: ignore[arg-type]
    register_reader("own", lambda source: RawImages([RawSplit("all", palettes, np.arange(3))]))  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"all images must be numbers\. Got images of Pillow"):
        read("own:x", config=DataConfig(), seed=0)


@pytest.mark.parametrize("data", [None, 3, PIXELS, b"x.npz"])
def test_data_that_is_no_path_is_one_line(data: Any) -> None:
    with pytest.raises(DataError, match="data must be a path, or the name of a reader"):
        read(data, config=DataConfig(), seed=0)


def test_links_to_nothing_in_a_folder_are_refused_and_not_left_unanswered(tmp_path: Path) -> None:
    Image.fromarray(PIXELS[0]).save(tmp_path / "a.png")
    (tmp_path / "b.png").symlink_to(tmp_path / "gone.png")
    with pytest.raises(DataError, match=r"Got b\.png \(a link to nothing\)"):
        prepare_images(tmp_path, BLOCK)


def test_an_npz_whose_images_would_fill_the_memory_at_the_size_of_the_student_is_refused_before_they_do(tmp_path: Path) -> None:
    path = tmp_path / "tiny.npz"
    np.savez_compressed(path, images=np.zeros((200_000, 2, 2), np.uint8))
    block = Preprocess(1, 224, padding="black", filter="triangle")
    with pytest.raises(
        DataError, match=r"Got 200,000 images in 0\.\d MB, which would take 20\.1 GB at a side of 224\. Split the file"
    ):
        prepare_images(path, block)
    np.savez_compressed(path, images=np.zeros((20, 2, 2), np.uint8))
    assert len(prepare_images(path, block).images) == 20
