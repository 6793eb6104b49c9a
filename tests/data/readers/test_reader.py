"""Readers of one's own, and which reader a source belongs to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import blobs
from tests.data.test_read import IMAGES, LABELS, load, refused
from upcycle import RawImages, RawSplit, Source, register_reader
from upcycle.data.readers import _reader
from upcycle.errors import DataError


@pytest.fixture(autouse=True)
def _no_readers_left_behind() -> Iterator[None]:
    yield
    _reader._added.clear()


def read_halves(source: Source) -> RawImages:
    """Images from whatever the text says, so that a test sees what arrived."""
    source.findings.note(f"asked for {source.text}")
    return RawImages([RawSplit("all", IMAGES, LABELS)], ("x", "y", "z"), "halves")


def test_reader_is_called_by_its_name_and_given_the_rest() -> None:
    register_reader("halves", read_halves)
    dataset = load("halves:some/where")
    assert (dataset.name, dataset.class_names) == ("halves", ("x", "y", "z"))
    assert "asked for some/where" in dataset.notes
    assert "asked for " in load("halves").notes


def test_reader_is_called_for_the_paths_it_accepts_before_the_built_in_ones(tmp_path: Path) -> None:
    path = tmp_path / "set.npz"
    path.write_bytes(b"of our own format")
    refused(path, "damaged or foreign")
    register_reader("ours", read_halves, accepts=lambda p: p.suffix == ".npz" and p.read_bytes().startswith(b"of our"))
    assert load(path).class_names == ("x", "y", "z")
    np.savez(path, images=IMAGES, labels=LABELS)
    assert load(path).class_names == ("0", "1", "2")


def test_newest_reader_is_asked_first_and_the_same_name_replaces(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"x")
    register_reader("one", read_halves, accepts=lambda p: p.suffix == ".bin")
    register_reader("two", lambda s: RawImages([RawSplit("all", *blobs(60))], name="two"), accepts=lambda p: p.suffix == ".bin")
    assert load(tmp_path / "a.bin").name == "two"
    register_reader("two", read_halves)
    assert load(tmp_path / "a.bin").name == "halves"


@pytest.mark.parametrize("name", ["C", "", "Upper", "with space", "a:b"])
def test_name_that_could_be_a_drive_or_a_path_is_refused(name: str) -> None:
    with pytest.raises(DataError, match="two or more of a-z"):
        register_reader(name, read_halves)


def test_what_a_reader_finds_wrong_comes_out_with_all_other_problems() -> None:
    def bad(source: Source) -> RawImages:
        source.findings.problem("slide 7", "in focus", "a blur\x1b[2J\nof tissue", "Scan it again.")
        return RawImages([RawSplit("all", np.full((60, 8, 8), np.nan), LABELS[:60])])

    register_reader("bad", bad)
    error = refused("bad:x", "slide 7 must be in focus")
    assert len(error.problems) == 2 and all(line.isprintable() for line in error.problems)


def test_groups_file_speaks_of_images_by_the_names_the_reader_gives(tmp_path: Path) -> None:
    names = tuple(f"case {k}" for k in range(240))
    register_reader("named", lambda s: RawImages([RawSplit("all", IMAGES, LABELS, names=names)]))
    csv = tmp_path / "g.csv"
    csv.write_text("image,patient\n" + "".join(f"case {k},{k // 4}\n" for k in range(240)))
    assert sum(len(np.unique(s.groups)) for s in load("named", groups_csv=csv).splits().values()) == 60
    csv.write_text("image,patient\n" + "".join(f"{k},{k // 4}\n" for k in range(240)))
    refused("named", "no row for case 0", groups_csv=csv)


def test_wrong_reader_and_wrong_word_name_the_nearest() -> None:
    refused("medmist:bloodmnist", "Did you mean 'medmnist:bloodmnist'")
    refused("digit", "Did you mean 'digits'")
    refused("C:\\data\\set.npz", "not there")
    refused("x" * 5000, "not there")
    refused("a\0b", "not there")


def test_what_exists_wins_over_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_npz: Callable[..., Path]) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits").mkdir()
    refused("digits", "one folder per class")


@pytest.mark.parametrize("shape", [(12, 20), (20, 12), (20, 12, 3)])
def test_side_pads_to_a_centred_square_and_keeps_the_type(write_npz: Callable[..., Path], shape: tuple[int, ...]) -> None:
    from upcycle.data.readers._prepare import fitted

    image = np.full(shape, 4000, np.uint16)
    found = fitted(image, 10)
    assert found.shape == (10, 10, *shape[2:]) and found.dtype == np.uint16
    assert found.max() == 4000 and found[0, 0].max() == 0
    middle = found[5, :] if shape[0] < shape[1] else found[:, 5]
    assert (middle == 4000).all()
    assert np.array_equal(found, found[::-1, ::-1])
    assert fitted(image, None) is image


def test_images_that_are_not_square_are_read_with_side(write_npz: Callable[..., Path]) -> None:
    from upcycle.config import DataConfig
    from upcycle.data import read

    path = write_npz(images=np.repeat(IMAGES, 2, axis=1), labels=LABELS)
    refused(path, "square")
    dataset = read(path, config=DataConfig(side=16), seed=0)
    assert dataset.size == 16


def made(*splits: RawSplit, class_names: tuple[str, ...] | None = None) -> None:
    register_reader("made", lambda source: RawImages(list(splits), class_names))


def test_own_reader_that_names_too_few_classes_is_one_line() -> None:
    made(RawSplit("all", IMAGES, LABELS), class_names=("a", "b"))
    refused("made", "class names must be one for each label. Got 2 for labels up to 2")


def test_splits_of_an_own_reader_follow_the_rule_for_names() -> None:
    made(RawSplit("Training", IMAGES[:180], LABELS[:180]), RawSplit("testing", IMAGES[180:], LABELS[180:]))
    assert len(load("made").test) == 60
    made(RawSplit("train", IMAGES[:180], LABELS[:180]), RawSplit("extra", IMAGES[180:], LABELS[180:]))
    refused("made", "splits must be train, validation and test, or one called all. Got extra")
    made(RawSplit("train", IMAGES[:180], LABELS[:180]), RawSplit("Train", IMAGES[180:], LABELS[180:]))
    refused("made", "several of train")


def test_classes_of_an_own_reader_are_matched_by_name() -> None:
    test = RawSplit("test", IMAGES[180:], LABELS[180:] % 2, class_names=("y", "z"))
    made(RawSplit("train", IMAGES[:180], LABELS[:180], class_names=("x", "y", "z")), test)
    dataset = load("made")
    assert dataset.class_names == ("x", "y", "z") and set(dataset.test.labels.tolist()) == {1, 2}
    made(
        RawSplit("train", IMAGES[:180], LABELS[:180], class_names=("x", "y", "z")), RawSplit("test", IMAGES[180:], LABELS[180:])
    )
    refused("made", "class names must be given for every split")
