"""One door for every kind of input: a Dataset with three splits, or every reason why not."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from upcycle._arguments import typed
from upcycle._distinct import distinct
from upcycle.config import DataConfig
from upcycle.data._groups import alike_ids, group_numbers
from upcycle.data._imageset import Dataset, ImageSet
from upcycle.data._normalise import found_preprocess, normalise
from upcycle.data._own_reader import checked_raw
from upcycle.data._preprocess import Preprocess
from upcycle.data._split import cut, units
from upcycle.data.readers import (
    SPLITS,
    Findings,
    NeedsPixels,
    RawImages,
    RawSplit,
    Source,
    added_readers,
    built_in_readers,
    by_name,
    check_class_names,
    choose,
    class_text,
    count_blank,
    in_shape,
    note_alike,
    one_colour,
    owned,
    plain_array,
    printable,
    read_groups,
    shown,
    split_of,
)
from upcycle.errors import DataError

BLANK = "images are blank, of one shade all over"
_DARK = 64  # a quarter of white: no picture that was made for 8 bits is as dark as that everywhere


@typed("data")
def read(data: str | Path, *, config: DataConfig, seed: int, groups_csv: str | Path | None = None) -> Dataset:
    """The data set that `data` names: a file or folder some reader accepts, or `NAME` or `NAME:REST` of a reader.

    docs/data.md lists the readers. Missing splits are cut off, stratified and by group. Raises DataError with every problem
    found, before anything is written to a run folder.
    """
    return _read(_text(data), config, seed, groups_csv, keep=True)


@typed("data")
def survey(data: str | Path, *, config: DataConfig, seed: int, groups_csv: str | Path | None = None) -> Dataset:
    """As `read`, for `check` alone: of files of 8-bit images only digests are kept, so that memory does not grow with them."""
    try:
        return _read(_text(data), config, seed, groups_csv, keep=False)
    except NeedsPixels:
        return _read(_text(data), config, seed, groups_csv, keep=True)


def _text(data: object) -> str:
    if not isinstance(data, str | Path):
        got = type(data).__name__
        raise DataError(f"data must be a path, or the name of a reader. Got {got}. Give arrays to Upcycler.fit or from_arrays.")
    return str(data)


def _read(data: str, config: DataConfig, seed: int, groups_csv: str | Path | None, *, keep: bool) -> Dataset:
    findings = Findings()
    groups = None if groups_csv is None else read_groups(Path(groups_csv), findings)
    reader, text = choose(data, [*added_readers(), *built_in_readers()])
    source = Source(text, config, findings, keep)
    raw = checked_raw(reader.read(source), reader.name)
    splits = list(raw.splits) if groups is None else owned(raw.splits, groups, findings)
    name = raw.name or (source.path.name if source.path.is_dir() else source.path.stem) or reader.name
    return _assemble(replace(raw, splits=splits, name=name), config, seed, findings, keep=keep)


@typed("images", "labels", "groups")
def from_arrays(
    images: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray | None = None,
    *,
    config: DataConfig,
    seed: int,
    name: str = "arrays",
) -> Dataset:
    """As `read`, for arrays without splits: images (n, side, side[, 1 or 3]), labels (n,), groups (n,) or None."""
    owners = None if groups is None else plain_array("groups", groups)
    raw = RawSplit("all", plain_array("images", images), plain_array("labels", labels), owners)
    return _assemble(RawImages([raw], name=name), config, seed, Findings())


def _assemble(raw_images: RawImages, config: DataConfig, seed: int, findings: Findings, *, keep: bool = True) -> Dataset:
    raws, class_names = by_name(_one_of_each(raw_images.splits, findings), raw_images.class_names, findings)
    raws = _in_one_shape(raws, config, findings)
    preprocess = found_preprocess(raws, raw_images.kind, config, findings)
    found = {raw.name: _image_set(raw, preprocess, findings) for raw in raws}
    sets = {key: value for key, value in found.items() if value is not None}
    if not findings.problems:
        findings.problems.extend(_disagreements(sets))
    if class_names is not None:
        class_names = tuple(map(class_text, class_names))
        check_class_names(class_names, findings)
    if not findings.problems:
        numbered = class_names is None
        class_names = class_names or tuple(map(str, range(1 + max(int(s.labels.max()) for s in sets.values()))))
        findings.problems.extend(_class_problems(sets, class_names, numbered, config))
    if findings.problems or class_names is None:
        raise DataError(*findings.problems)
    _note_looks(raws, sets, findings)
    note_alike(alike_ids(raws), findings)
    sets = sets if keep else {name: split.sketched() for name, split in sets.items()}
    train, validation, test = _complete(sets, class_names, config, seed, findings)
    problems = [*_groups_apart(train, validation, test), *_classes_in_train(train, class_names)]
    if problems:
        raise DataError(*problems)
    name = printable(raw_images.name or "data")
    return Dataset(name, train, validation, test, class_names, findings.said(), preprocess)


def _note_looks(raws: Sequence[RawSplit], sets: dict[str, ImageSet], findings: Findings) -> None:
    """Say it where images are blank, or all so dark that they were made for another scale of grey."""
    findings.count(BLANK, sum(raw.sketch.blank if raw.sketch else count_blank(sets[raw.name].images) for raw in raws))
    highest = max(raw.sketch.highest if raw.sketch else int(sets[raw.name].images.max(initial=0)) for raw in raws)
    if 0 < highest < _DARK:
        findings.note(
            f"all images are dark: no value is above {highest} of 255. Rescale them if they were made for another range"
        )


def _one_of_each(raws: Sequence[RawSplit], findings: Findings) -> list[RawSplit]:
    """Splits under their usual names; one that no rule knows, or two of one name, are a problem."""
    named = [replace(raw, name=raw.name if raw.name == "all" else split_of(raw.name) or raw.name) for raw in raws]
    odd = [raw.name for raw in named if raw.name not in SPLITS]
    if odd:
        findings.problem("splits", "train, validation and test, or one called all", shown(odd), "Rename them.")
    names = [raw.name for raw in named]
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        findings.problem("splits", "given once each", f"several of {shown(twice)}", "Join them.")
    return named


def _in_one_shape(raws: list[RawSplit], config: DataConfig, findings: Findings) -> list[RawSplit]:
    """Images of all splits in the channels and of the side that the settings ask for, each (n, h, w[, channels])."""
    if len({raw.images.shape[3] for raw in raws if raw.sketch}) > 1:
        raise NeedsPixels
    arrays = [raw.images if raw.sketch else in_shape(np.asarray(raw.images), config) for raw in raws]
    return [replace(raw, images=images) for raw, images in zip(raws, one_colour(arrays, findings), strict=True)]


def _image_set(raw: RawSplit, preprocess: Preprocess, findings: Findings) -> ImageSet | None:
    content = normalise(raw, preprocess, findings)
    n_images = len(raw.images) if raw.images.ndim else 0
    groups = None if raw.groups is None else group_numbers(raw.name, raw.groups, n_images, findings)
    if content is None or (groups is None) != (raw.groups is None):
        return None
    return ImageSet(*content, groups, raw.sketch.digests if raw.sketch else None)


def _disagreements(sets: dict[str, ImageSet]) -> Iterator[str]:
    if not sets or ("all" not in sets and "train" not in sets):
        yield f"data must have training images. Got {', '.join(sets) or 'nothing'}. Add train_images or images."
        return
    if "all" in sets and len(sets) > 1:
        yield "data must have splits or none. Got images both with and without a split. Rename one of them."
    empty = [name for name, split in sets.items() if len(split) == 0]
    if empty == ["all"]:
        yield "data must hold images. Got none. Add some."
    elif empty:
        yield f"every split must hold images. Got an empty {', '.join(empty)}. Add images or remove the split."
    shapes = {split.images.shape[1:] for split in sets.values() if len(split)}
    if len(shapes) > 1:
        then = "Convert them, or set data.side."
        yield f"all splits must have images of one size and channel count. Got {sorted(shapes)}. {then}"
    if len({split.groups is None for split in sets.values()}) > 1:
        yield "group ids must be given for every split or for none. Got them for some. Add the missing ones."


def _class_problems(
    sets: dict[str, ImageSet], class_names: tuple[str, ...], numbered: bool, config: DataConfig
) -> Iterator[str]:
    """`numbered` says that the classes have no names but their numbers."""
    labels = np.concatenate([split.labels for split in sets.values()])
    counts = np.bincount(labels, minlength=len(class_names))
    if len(class_names) < 2:
        yield f"data must have at least two classes. Got only {class_names[0]!r}. Add another class."
        return
    if numbered and len(class_names) > max(len(labels) // 2, 2):
        got = f"values up to {labels.max()} for {len(labels)} images"
        yield f"labels must be 0 to the number of classes minus one. Got {got}. Renumber them."
        return
    least = config.min_images_per_class
    none = [name for name, count in zip(class_names, counts, strict=True) if count == 0]
    few = [f"{count} of class {name}" for name, count in zip(class_names, counts, strict=True) if 0 < count < least]
    if none and numbered:
        yield f"labels must be 0 to {len(class_names) - 1} without gaps. Got no image of class {shown(none)}. Renumber them."
    elif none:
        yield f"every class must hold images. Got no image of class {shown(none)}. Add some or remove the class."
    if few:
        yield f"every class must have at least {least} images. Got {shown(few)}. Add some or merge classes."


def _complete(
    sets: dict[str, ImageSet], class_names: Sequence[str], config: DataConfig, seed: int, findings: Findings
) -> tuple[ImageSet, ImageSet, ImageSet]:
    """Train, validation and test, the missing ones cut off the training images."""
    train = sets["all"] if "all" in sets else sets["train"]
    shares = {"test": config.test_share, "validation": config.validation_share}
    parts, left, taken = {}, np.arange(len(train)), dict[str, np.ndarray]()
    known = train if set(shares) <= set(sets) else train.sketched()  # a cut looks at no pixel
    for name, share in shares.items():
        if name in sets:
            parts[name] = sets[name]
            continue
        rest, part = cut(known.take(left) if taken else known, share, seed=seed, key=name)
        if len(part) == 0:
            blank = findings.counts.get(BLANK, 0)
            hint = f"images must show something. Got {blank} of one shade all over. Look at the files, or at data.window."
            raise DataError(_uncut(name, known.take(left), class_names), *([hint] if blank else []))
        left, taken[name] = left[rest], left[part]
        findings.note(f"no {name} split was given: {len(part)} images were cut off, stratified")
    parts |= {name: train.take(rows) for name, rows in taken.items()}  # copies of all images at once only here
    return train.take(left) if taken else train, parts["validation"], parts["test"]


def _uncut(split: str, pool: ImageSet, class_names: Sequence[str]) -> str:
    """The line for a split that cannot be cut from `pool`: which class has the fewest groups."""
    unit = units(pool)
    groups = [len(distinct(unit[pool.labels == label])) for label in range(len(class_names))]
    fewest = int(np.argmin(groups))
    kind = "patients" if pool.groups is not None else "different images"
    return (
        f"{split} split must be cut by whole {kind} and leave every class in train. Got {len(distinct(unit))} {kind}, "
        f"{groups[fewest]} of class {class_names[fewest]}. Add {kind}, or give a {split} split."
    )


def _groups_apart(train: ImageSet, validation: ImageSet, test: ImageSet) -> Iterator[str]:
    pairs = (
        ("train", train, "test", test),
        ("train", train, "validation", validation),
        ("validation", validation, "test", test),
    )
    for first, one, second, other in pairs:
        if one.groups is not None and other.groups is not None:
            shared = len(np.intersect1d(one.groups, other.groups))
            if shared:
                yield f"every group must be in one split. Got {shared} in both {first} and {second}. Move them together."


def _classes_in_train(train: ImageSet, class_names: tuple[str, ...]) -> Iterator[str]:
    absent = np.flatnonzero(np.bincount(train.labels, minlength=len(class_names)) == 0)
    if len(absent):
        got = shown(class_names[label] for label in absent)
        yield f"train split must hold every class. Got no image of class {got}. Move some there."
