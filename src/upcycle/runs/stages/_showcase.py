"""What a report shows apart from numbers: images drawn for it, nearest private images, records that the audit rated highest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from upcycle._random import derive_seed, numpy_rng
from upcycle.audit.copies import nearest_two
from upcycle.data import Store
from upcycle.generators import Interpolates
from upcycle.recycle import Sampler

if TYPE_CHECKING:
    from upcycle.report import Neighbours, Sheet


SPREADS = (0.6, 0.8, 1.0, 1.2, 1.4)  # times the run's own


_STEPS, _CLASSES, _TRIPLES, _RECORDS = 8, 8, 24, 12


_COMPARED = 4000  # synthetic images among which the closest are looked for


def draw_sheets(sampler: Sampler, names: Sequence[str], members: np.ndarray) -> dict[str, Sheet]:
    """Interpolations between classes and between draws, and a sweep of the spread, from the fitted generator and a fixed seed.

    A generator that cannot interpolate gives the sweep alone. Every sheet says how many of its images look like a copy of one
    of the `members`, uint8 (n, side, side, channels).
    """
    from upcycle.report import Sheet

    seed, asked = derive_seed(sampler.seed, "report"), np.flatnonzero(sampler.prior > 0)
    classes = np.sort(numpy_rng(sampler.seed, "report", "classes").permutation(asked)[:_CLASSES])
    shown = tuple(names[k] for k in classes)
    grids = {"spread": (shown, tuple(f"{f * sampler.spread:.2g}" for f in SPREADS), _sweep(sampler, classes, seed))}
    if isinstance(sampler.generator, Interpolates):
        columns, following = tuple(f"{share:.0%}" for share in np.linspace(0, 1, _STEPS)), np.roll(classes, -1)
        latents, mixed = _between(sampler, sampler.generator, classes, following, seed)
        grids["latents"] = (shown, columns, latents)
        if len(classes) > 1:
            pairs = tuple(f"{names[a]} to {names[b]}" for a, b in zip(classes, following, strict=True))
            grids["classes"] = (pairs, columns, mixed)
    return {name: Sheet(rows, steps, found, look_alikes(found, members)) for name, (rows, steps, found) in grids.items()}


def _sweep(sampler: Sampler, classes: np.ndarray, seed: int) -> np.ndarray:
    """Images (classes, spreads, side, side, channels); a row is one noise."""
    spreads = [factor * sampler.spread for factor in SPREADS]
    draw, snapshot = sampler.generator.sample, sampler.snapshot
    drawn = [draw(classes, seed=seed, spread=spread, snapshot=snapshot) for spread in spreads]
    return np.stack(drawn, axis=1)


def _between(
    sampler: Sampler, generator: Interpolates, classes: np.ndarray, others: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Images (rows, steps, side, side, channels) from draw to draw of one class, and under one noise from class to class. One
    call for both: a generator may pad its batches."""
    n = len(classes)
    first = np.tile(np.arange(n), 2)
    second = np.concatenate([first[:n] + n, first[:n]])
    start, end = np.tile(classes, 2), np.concatenate([classes, others])
    images = generator.between(
        (np.repeat(start, _STEPS), np.repeat(end, _STEPS)),
        (np.repeat(first, _STEPS), np.repeat(second, _STEPS)),
        np.tile(np.linspace(0, 1, _STEPS), 2 * n),
        seed=seed,
        spread=sampler.spread,
        snapshot=sampler.snapshot,
    )
    rows = images.reshape(2 * n, _STEPS, *images.shape[1:])
    return rows[:n], rows[n:]


def look_alikes(images: np.ndarray, members: np.ndarray) -> int:
    """How many of `images` (..., side, side, channels) are byte-identical to a member, or nearer to their nearest member than a
    third of the distance to the second nearest (Gu et al. 2023)."""
    distances, _ = nearest_two(images.reshape(-1, *images.shape[-3:]), members)
    return int(((distances[:, 0] == 0) | (distances[:, 0] < distances[:, 1] / 3)).sum())


def neighbours(synthetic: np.ndarray, members: np.ndarray, held_out: np.ndarray) -> Neighbours:
    """The synthetic images closest to a member, that member, and the closest record that no model was given."""
    from upcycle.report import Neighbours

    compared = synthetic[:_COMPARED]
    distances, nearest = nearest_two(compared, members)
    rows = np.argsort(distances[:, 0], kind="stable")[:_TRIPLES]
    outside, other = nearest_two(compared[rows], held_out)
    return Neighbours(compared[rows], members[nearest[rows]], held_out[other], distances[rows, 0], outside[:, 0])


def exposed_records(store: Store, saved: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """The members that the student's answers reveal most surely, riskiest first; empty if the audit kept no risk."""
    if "student/risk" not in saved:
        return []
    flags, risk = saved["members"].astype(bool), saved["student/risk"]
    inside = np.flatnonzero(flags)
    members, numbers = store.members(), saved["records"]
    found = []
    for row in inside[np.argsort(-risk[inside], kind="stable")[:_RECORDS]]:
        number = int(numbers[row])
        record: dict[str, Any] = {
            "image": members.images[number],
            "record": f"member {number}",
            "class": store.meta.class_names[int(members.labels[number])],
            "risk by the student": f"{risk[row]:.2f}",
            "of those not used, rated as high": f"{(risk[~flags] >= risk[row]).mean():.1%}",
        }
        if "teacher/risk" in saved:
            record["risk by the teacher"] = f"{saved['teacher/risk'][row]:.2f}"
        if members.groups is not None:
            record["group"] = int(members.groups[number])
        found.append(record)
    return found
