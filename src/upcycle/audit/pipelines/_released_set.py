"""Whether the released set of a pipeline is one: as many soft labels as images, of the records' shape and classes."""

from collections.abc import Iterator

import numpy as np

from upcycle.errors import AuditInputError


def check_released_set(images: object, soft_labels: object, records: np.ndarray, classes: int) -> None:
    """Nothing, or AuditInputError with a line for everything that is wrong: `images` must be uint8 (m, ...) of the shape of
    `records` (n, ...), and `soft_labels`, where there are any, finite shares (m, classes)."""
    problems = [*_image_problems(images, records.shape[1:]), *_label_problems(images, soft_labels, classes)]
    if problems:
        raise AuditInputError(*problems)


def _image_problems(images: object, shape: tuple[int, ...]) -> Iterator[str]:
    found = images if isinstance(images, np.ndarray) else np.zeros(0)
    if found.dtype != np.uint8 or found.shape[1:] != shape or not len(found):
        allowed = f"uint8 of shape (m, {', '.join(map(str, shape))}), as the records are, and at least one"
        got = f"{found.dtype} {found.shape}" if isinstance(images, np.ndarray) else type(images).__name__
        yield f"synthetic images of a pipeline must be {allowed}. Got {got}. Give them as they are released."


def _label_problems(images: object, soft_labels: object, classes: int) -> Iterator[str]:
    if soft_labels is None:
        return
    wanted = (len(images) if isinstance(images, np.ndarray) and images.ndim else 0, classes)
    found = np.asarray(soft_labels) if isinstance(soft_labels, np.ndarray | list | tuple) else np.zeros(0)
    what = "soft labels of a pipeline must be"
    if found.shape != wanted or found.dtype.kind != "f":
        got = f"{found.dtype} {found.shape}"
        yield f"{what} numbers of shape {wanted}, a row for each synthetic image. Got {got}. Give one row per image."
        return
    bad = int((~(np.isfinite(found) & (found >= 0)).all(1)).sum())
    if bad:
        yield f"{what} probabilities. Got {bad} rows with a negative, infinite or NaN one. Give the teacher's softmax."
