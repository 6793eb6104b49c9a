"""What is asked of one run of a pipeline: every classifier's answers on views of every record, and what the synthetic set, its
soft labels and the generator say of each record. Asked once per run; all attacks and threat models share the answers.

The views are the same whoever is a member: none is drawn, so no seed of an augmentation can tell membership.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from upcycle._random import derive_seed, numpy_rng
from upcycle.audit.attacks import (
    Predict,
    RecordScore,
    answers_at_neighbours,
    as_logits,
    log_density_ratio,
    mass_of_neighbours,
    probe_logits,
)
from upcycle.audit.copies import nearest_two
from upcycle.audit.pipelines._canaries import Records
from upcycle.audit.pipelines._contract import Parts, check_steady
from upcycle.audit.pipelines._searches import searched
from upcycle.errors import AuditInputError

VIEWS: Final = ("as it is", "mirrored", "right", "left", "down", "up")


PROBE: Final = "probe of the released pairs"


NEIGHBOURS: Final = "student at synthetic neighbours"


NEAREST: Final = "nearest synthetic image"


DENSITY: Final = "density of the synthetic set"


LABEL_MASS: Final = "label mass of synthetic neighbours"


COPYING: Final = "control: copying generator"


PLANTED: Final = "control: planted near-duplicates"


PLANTED_FLAG: Final = "control: planted"


CONTROLS: Final = (COPYING, PLANTED, PLANTED_FLAG)  # scores that no attack reads


ACCURACY: Final = "accuracy of "  # facts that begin so, each of one classifier


@dataclass(frozen=True, eq=False)
class Answers:
    """`logits`: float32 (records, views, classes) by name of classifier; `scores`: float32 (records,) by name, higher = more
    member; `facts`: numbers."""

    logits: dict[str, np.ndarray]
    scores: dict[str, np.ndarray]
    facts: dict[str, float]


def record_views(images: np.ndarray, count: int) -> list[np.ndarray]:
    """The first `count` of VIEWS of uint8 images (n, height, width, channels); shifts are by one pixel, edges repeated."""
    rows, columns = np.arange(images.shape[1]), np.arange(images.shape[2])

    def shifted(down: int, right: int) -> np.ndarray:
        y, x = (rows - down).clip(0, rows[-1]), (columns - right).clip(0, columns[-1])
        return np.asarray(images[:, y][:, :, x])

    makers: list[Callable[[], np.ndarray]] = [
        lambda: images,
        lambda: np.ascontiguousarray(images[:, :, ::-1]),
        lambda: shifted(0, 1),
        lambda: shifted(0, -1),
        lambda: shifted(1, 0),
        lambda: shifted(-1, 0),
    ]
    return [make() for make in makers[:count]]


def ask(parts: Parts, records: Records, members: np.ndarray, *, views: int, synthetic: int, seed: int, few: int = 0) -> Answers:
    """All answers of one run, on `few` records (0: none) also those that must be searched for. `members` bool (records,)
    serves the controls alone; no attack's answer depends on it.

    Raises AuditInputError for a classifier whose answers about a record change, and for answers that are no finite numbers.
    """
    classes, seen = int(records.true_labels.max()) + 1, record_views(records.images, views)
    for name, predict in parts.classifiers().items():
        check_steady(name, predict, records.images, classes)
    logits = {name: _logits(predict, seen, classes) for name, predict in parts.classifiers().items()}
    scores = {name: _score(name, score, records) for name, score in parts.generator_scores.items()}
    images, soft = _synthetic_set(parts, records, synthetic, seed)
    if images is not None:
        scores[NEAREST] = -nearest_two(records.images, images)[0][:, 0]
        scores[DENSITY] = log_density_ratio(records.images, images)
        if parts.student is not None:
            logits[NEIGHBOURS] = answers_at_neighbours(parts.student, records.images, images, classes)
        if soft is not None:
            scores[LABEL_MASS] = mass_of_neighbours(records.images, records.labels, images, soft)
            logits[PROBE] = probe_logits(images, soft, seen, seed)
    scores |= searched(parts, records, few, derive_seed(seed, "searches"))
    scores |= _copy_controls(records, members, images, seed)
    return Answers(
        logits,
        {name: s.astype(np.float32) for name, s in scores.items()},
        {**parts.facts, **_accuracies(logits, records, members)},
    )


def ask_accuracies(parts: Parts, records: Records, members: np.ndarray) -> Answers:
    """Nothing but the accuracy of every classifier, on the same real records as in the facts of `ask`."""
    classes = int(records.true_labels.max()) + 1
    logits = {name: _logits(predict, [records.images], classes) for name, predict in parts.classifiers().items()}
    return Answers({}, {}, _accuracies(logits, records, members))


def _logits(predict: Predict, views: list[np.ndarray], classes: int) -> np.ndarray:
    return np.stack([as_logits(predict(view), classes) for view in views], axis=1)


def _score(name: str, score: RecordScore, records: Records) -> np.ndarray:
    """float32 (records,), or AuditInputError: NaN stands for "not judged" further on, and would hide the records."""
    values = np.asarray(score(records.images, records.labels), np.float32)
    if values.shape != (len(records),) or not np.isfinite(values).all():
        raise AuditInputError(
            f"{name} must give one finite score per record, shape ({len(records)},). Got shape {values.shape}, "
            f"{int((~np.isfinite(values)).sum())} of them not finite. Mend the score."
        )
    return values


def _synthetic_set(parts: Parts, records: Records, count: int, seed: int) -> tuple[np.ndarray | None, np.ndarray | None]:
    """At most `count` released images with their soft labels, or images drawn from the sampler."""
    if parts.synthetic_images is not None:
        soft = None if parts.soft_labels is None else np.asarray(parts.soft_labels, np.float64)[:count]
        return parts.synthetic_images[:count], soft
    if parts.sampler is None:
        return None, None
    classes = int(records.true_labels.max()) + 1
    return parts.sampler(np.arange(count) % classes, derive_seed(seed, "audit-draws")), None


def _copy_controls(records: Records, members: np.ndarray, images: np.ndarray | None, seed: int) -> dict[str, np.ndarray]:
    """The nearest-image attack on a generator that returns members as they are, and on the released set with
    near-duplicates of a few members planted in it. Both must be seen; if not, the attack on synthetic sets is blind."""
    rng, plain = numpy_rng(seed, "copy-controls"), ~records.canary
    inside = rng.permutation(np.flatnonzero(members & plain))
    copied = records.images[inside[: max(2, len(inside) // 2)]]
    planted = _one_each(inside, records.groups)[: max(2, min(30, len(inside) // 4))]
    noise = rng.integers(-4, 5, records.images[planted].shape)
    twins = (records.images[planted].astype(np.int64) + noise).clip(0, 255).astype(np.uint8)
    base = twins if images is None else np.concatenate([images, twins])
    flag = np.zeros(len(members), np.float32)
    flag[planted] = 1
    return {
        COPYING: -nearest_two(records.images, copied)[0][:, 0],
        PLANTED: -nearest_two(records.images, base)[0][:, 0],
        PLANTED_FLAG: flag,
    }


def _one_each(rows: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """The first of `rows` of every group, in their order: planted records of one patient alone would be no control."""
    return rows if groups is None else rows[np.sort(np.unique(groups[rows], return_index=True)[1])]


def _accuracies(logits: dict[str, np.ndarray], records: Records, members: np.ndarray) -> dict[str, float]:
    """Accuracy of every classifier, given logits (records, views, classes), on the real records that it was not given."""
    fresh = ~members & ~records.canary
    right = {name: found[fresh, 0].argmax(1) == records.true_labels[fresh] for name, found in logits.items()}
    return {f"{ACCURACY}{name}": float(hits.mean()) for name, hits in right.items()}
