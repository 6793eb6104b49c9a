"""What is asked of every run: classifiers about views of each record, and every attack on what was released.

The views are the same whoever is a member: none is drawn, so no seed of an augmentation can tell membership.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from upcycle._random import derive_seed, numpy_rng
from upcycle.audit.attacks import Attack, Needs, Predict, RecordScore, Released, as_logits
from upcycle.audit.copies import nearest_two
from upcycle.audit.pipelines._canaries import RANDOM_LABEL, Records
from upcycle.audit.pipelines._canary_places import turns
from upcycle.audit.pipelines._contract import CONTROL, DISTILLED, Parts, check_steady
from upcycle.audit.pipelines._released_set import check_released_set
from upcycle.audit.pipelines._remembering import remembering
from upcycle.errors import AuditInputError

VIEWS: Final = ("as it is", "mirrored", "right", "left", "down", "up")
PLANTED_KNOWN: Final = "planted wrong labels that the positive control knows"
COPYING: Final = "control: copying generator"
PLANTED: Final = "control: planted near-duplicates"
PLANTED_FLAG: Final = "control: planted"
CONTROLS: Final = (COPYING, PLANTED, PLANTED_FLAG)  # scores that no attack reads
_OF_A_RELEASE: Final = (Needs.IMAGES, Needs.SOFT_LABELS, Needs.STUDENT)


@dataclass(frozen=True)
class RunFacts:
    """Numbers of one run.

    Attributes:
        accuracy: of every classifier by name, a fraction of the real records that the run was not given.
        reported: what the pipeline reported (`Parts.facts`).
        private: noise multiplier and epsilon of every classifier by DP-SGD, by name.
        released: images of the released set, all of them.
        compared: how many of those the attacks on it compared; copies are sought among all.
    """

    accuracy: Mapping[str, float]
    reported: Mapping[str, float] = field(default_factory=dict)
    private: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    released: int = 0
    compared: int = 0


@dataclass(frozen=True, eq=False)
class Answers:
    """`logits`: float32 (records, views, classes) by name of a classifier, or of an attack whose result counts as one's;
    `scores`: float32 (records,) by name of an attack, higher = more member, NaN where it was not asked."""

    logits: Mapping[str, np.ndarray]
    scores: Mapping[str, np.ndarray]
    facts: RunFacts


@dataclass(frozen=True)
class Questions:
    """What is asked: `attacks` on what was released, `views` per record, `synthetic` images compared at most, and the number of
    records, `searched`, that are searched for one by one (0: none)."""

    attacks: tuple[Attack, ...]
    views: int
    synthetic: int
    searched: int = 0


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


def ask(parts: Parts, records: Records, members: np.ndarray, questions: Questions, *, seed: int) -> Answers:
    """All answers of one run. `members` bool (records,) serves the controls alone; no attack's answer depends on it.

    Raises AuditInputError for a classifier whose answers about a record change, and for answers that are no finite numbers.
    """
    classes, seen = int(records.true_labels.max()) + 1, record_views(records.images, questions.views)
    if parts.control is None:
        parts = replace(parts, control=remembering(*records.given(members), classes))
    for name, predict in parts.classifiers().items():
        check_steady(name, predict, records.images, classes)
    logits = {name: _logits(predict, seen, classes) for name, predict in parts.classifiers().items()}
    weights = {**parts.generator_scores, **{DISTILLED + name: score for name, score in parts.distilled_scores.items()}}
    scores = {name: _score(name, score, records.images, records.labels) for name, score in weights.items()}
    released = _released(parts, seen, records, questions.synthetic, seed)
    for name, found in _on_the_release(released, questions.attacks):
        (logits if found.ndim == 3 else scores)[name] = found.astype(np.float32)
    scores |= _searched(parts, records, questions, derive_seed(seed, "searches"))
    scores |= _copy_controls(records, members, None if released is None else released.images, seed)
    facts = RunFacts(
        _accuracies(logits, records, members),
        {**parts.facts, **_planted_known(logits[CONTROL], records, members)},
        {name: (model.noise, model.epsilon) for name, model in parts.private.items()},
        0 if released is None else len(released.every),
        0 if released is None else len(released.images),
    )
    return Answers(logits, {name: s.astype(np.float32) for name, s in scores.items()}, facts)


def _planted_known(control: np.ndarray, records: Records, members: np.ndarray) -> dict[str, float]:
    """How many of the wrong labels that were planted the positive control knows, by logits (records, views, classes)."""
    planted = members & np.isin(records.kind, RANDOM_LABEL)
    if not planted.any():
        return {}
    return {PLANTED_KNOWN: float((control[planted, 0].argmax(1) == records.labels[planted]).mean())}


def ask_accuracies(parts: Parts, records: Records, members: np.ndarray) -> Answers:
    """Nothing but the accuracy of every classifier, on the same real records as in the facts of `ask`."""
    classes = int(records.true_labels.max()) + 1
    logits = {name: _logits(predict, [records.images], classes) for name, predict in parts.classifiers().items()}
    return Answers({}, {}, RunFacts(_accuracies(logits, records, members)))


def _logits(predict: Predict, views: list[np.ndarray], classes: int) -> np.ndarray:
    return np.stack([as_logits(predict(view), classes) for view in views], axis=1)


def _score(name: str, score: RecordScore, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """float32 (records,), or AuditInputError: later code reads NaN as "not judged", which would hide the records."""
    values = np.asarray(score(images, labels), np.float32)
    if values.shape != (len(images),) or not np.isfinite(values).all():
        raise AuditInputError(
            f"{name} must give one finite score per record, shape ({len(images)},). Got shape {values.shape}, "
            f"{int((~np.isfinite(values)).sum())} of them not finite. Fix the score."
        )
    return values


def _released(parts: Parts, views: list[np.ndarray], records: Records, count: int, seed: int) -> Released | None:
    """The released set, at most `count` of it drawn at random, or images drawn from the sampler."""
    classes = int(records.true_labels.max()) + 1
    if parts.synthetic_images is not None:
        every, soft = parts.synthetic_images, parts.soft_labels
        some = slice(None)
        if len(every) > count:
            some = np.sort(numpy_rng(seed, "compared images").permutation(len(every))[:count])  # type: ignore[assignment]
    elif parts.sampler is not None:
        every, soft, some = parts.sampler(np.arange(count) % classes, derive_seed(seed, "audit-draws")), None, slice(None)
    else:
        return None
    check_released_set(every, soft, records.images, classes)
    chosen = None if soft is None else np.asarray(soft, np.float64)[some]
    return Released(every[some], every, chosen, parts.student, views, records.labels, classes, seed)


def _on_the_release(released: Released | None, attacks: Sequence[Attack]) -> list[tuple[str, np.ndarray]]:
    """Name and result of every attack whose needs the release meets."""
    if released is None:
        return []
    there = {
        Needs.IMAGES: True,
        Needs.SOFT_LABELS: released.soft_labels is not None,
        Needs.STUDENT: released.student is not None,
    }
    return [(attack.name, attack.score(released)) for attack in attacks if there.get(attack.needs, False)]


def searched_rows(records: Records, count: int) -> np.ndarray:
    """At most `count` rows, sorted: mislabelled canaries and outliers a quarter each if there are enough, and other real
    records, evenly through each kind. The same for every pipeline; membership plays no part."""
    kinds = (records.kind == "mislabelled", records.outlier)
    chosen = [_evenly(np.flatnonzero(kind), count // 4) for kind in kinds]
    rest = np.flatnonzero(~records.canary & ~records.outlier)
    return np.sort(np.concatenate([*chosen, _evenly(rest, count - sum(map(len, chosen)))]))


def _searched(parts: Parts, records: Records, questions: Questions, seed: int) -> dict[str, np.ndarray]:
    """Scores float (records,) by name on `searched_rows`, NaN for all other records; nothing where none is searched for."""
    if not questions.searched:
        return {}
    rows, classes = searched_rows(records, questions.searched), int(records.true_labels.max()) + 1
    images, labels = records.images[rows], records.labels[rows]
    found = {name: _score(name, score, images, labels) for name, score in parts.searched_scores.items()}
    for attack in questions.attacks if parts.student is not None else ():
        if attack.needs is Needs.SEARCH:
            found[attack.name] = attack.score(parts.student, images, labels, classes, seed)
    return {name: _spread(values, rows, len(records)) for name, values in found.items()}


def _evenly(rows: np.ndarray, count: int) -> np.ndarray:
    return rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(np.int64)]


def _spread(values: np.ndarray, rows: np.ndarray, records: int) -> np.ndarray:
    whole = np.full(records, np.nan, np.float32)
    whole[rows] = values
    return whole


def _copy_controls(records: Records, members: np.ndarray, images: np.ndarray | None, seed: int) -> dict[str, np.ndarray]:
    """The nearest-image attack on a generator that returns members as they are, and on the released set with
    near-duplicates of a few members planted in it. Both must be seen; if not, the attack on synthetic sets is blind."""
    rng, plain = numpy_rng(seed, "copy-controls"), ~records.canary
    inside = rng.permutation(np.flatnonzero(members & plain))
    copied = records.images[inside[: max(2, len(inside) // 2)]]
    planted = _in_turns(inside, records.groups)[: max(2, min(30, len(inside) // 4))]
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


def _in_turns(rows: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """The first of `rows` of every group, then the second ones, and so on: planted records of one patient alone would be no
    control."""
    return rows if groups is None else rows[np.argsort(turns(groups[rows])[0], kind="stable")]


def _accuracies(logits: Mapping[str, np.ndarray], records: Records, members: np.ndarray) -> dict[str, float]:
    """Accuracy of every classifier, given logits (records, views, classes), on the real records that it was not given."""
    fresh = ~members & ~records.canary
    return {name: float((found[fresh, 0].argmax(1) == records.true_labels[fresh]).mean()) for name, found in logits.items()}
