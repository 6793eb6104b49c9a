"""What a reader gave back, as what it must be: a reader of somebody's own may give lists, tensors or something else."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, get_args

from upcycle.data._preprocess import Kind
from upcycle.data.readers import RawImages, RawSplit, plain_array
from upcycle.errors import DataError


def checked_raw(raw: Any, reader: str) -> RawImages:
    """`raw` with arrays for its images, labels and groups. Raises DataError with a line for all that is none of RawImages."""
    if not isinstance(raw, RawImages):
        got = type(raw).__name__
        raise DataError(f"reader {reader} must return RawImages. Got {got}. Return RawImages([RawSplit(...)]).")
    splits = list(raw.splits) if isinstance(raw.splits, Sequence | Iterator) else [raw.splits]
    if not all(isinstance(split, RawSplit) for split in splits):
        got = ", ".join(sorted({type(split).__name__ for split in splits}))
        raise DataError(f"splits of reader {reader} must be a list of RawSplit. Got {got}. Return RawImages([RawSplit(...)]).")
    problems = [*_word_problems(raw, reader), *(line for split in splits for line in _split_problems(split, reader))]
    if problems:
        raise DataError(*problems)
    return replace(raw, splits=[_with_arrays(split) for split in splits])


def _word_problems(raw: RawImages, reader: str) -> Iterator[str]:
    if not _are_words(raw.class_names):
        yield f"class names of reader {reader} must be a list of words. Got {raw.class_names!r:.80}. Return their texts."
    if raw.name is not None and not isinstance(raw.name, str):
        yield f"name of reader {reader} must be a word. Got {raw.name!r:.80}. Return its text."
    if raw.kind not in get_args(Kind):
        yield f"kind of reader {reader} must be one of {', '.join(get_args(Kind))}. Got {raw.kind!r:.80}. Leave it out."


def _split_problems(split: RawSplit, reader: str) -> Iterator[str]:
    if not isinstance(split.name, str):
        yield f"splits of reader {reader} must be named train, validation, test or all. Got {split.name!r:.80}. Name them."
    if not _are_words(split.class_names):
        yield f"class names of reader {reader} must be a list of words. Got {split.class_names!r:.80}. Return their texts."
    if split.names is not None and hasattr(split.images, "__len__") and len(split.names) != len(split.images):
        got = f"{len(split.names)} for {len(split.images)} images"
        yield f"names of the images of reader {reader} must be one for each. Got {got}. Return one name per image."


def _are_words(names: object) -> bool:
    """Whether `names` are left out or a list of words; a single word would count as a list of letters."""
    return names is None or (
        isinstance(names, Sequence) and not isinstance(names, str) and all(isinstance(n, str) for n in names)
    )


def _with_arrays(split: RawSplit) -> RawSplit:
    if split.sketch is not None:
        return split
    images, labels = plain_array(f"{split.name} images", split.images), plain_array(f"{split.name} labels", split.labels)
    groups = None if split.groups is None else plain_array(f"{split.name} group ids", split.groups)
    return replace(split, images=images, labels=labels, groups=groups)
