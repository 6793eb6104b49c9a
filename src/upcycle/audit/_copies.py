"""Do synthetic images copy members? Nearest-neighbour diagnostics in pixels; they can convict, not acquit.

A share near one half is what independent images give, and what many leaking generators give too (Yao et al. 2025, "The DCR
delusion"). NumPy and SciPy only.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from upcycle.audit._statistics import clopper_pearson

_BLOCK = 512


@dataclass(frozen=True)
class CopyReport:
    """Distances are root mean squares over pixels, in grey levels 0..255. `replicated` is the share of synthetic images nearer
    to their nearest member than to a third of the distance to the second nearest (Gu et al. 2023). `closer` is the share
    nearer to the members than to equally many held-out records, ties left out, with its exact interval; 0.5 if nothing was
    copied. `identical` counts byte-identical copies of members."""

    images: int
    compared_records: int
    identical: int
    replicated: float
    closer: float
    closer_low: float
    closer_high: float
    median_to_members: float
    median_to_held_out: float

    def to_json(self) -> dict[str, float | int]:
        return asdict(self)


def nearest_two(queries: np.ndarray, pool: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Root-mean-square pixel distances (n, 2) to the nearest and second nearest image of `pool`, and the index (n,) of the
    nearest. uint8 images (n, ...) and (m >= 2, ...); memory stays at a block of queries times the pool."""
    flat, base = _flat(queries), _flat(pool)
    squares = np.einsum("ij,ij->i", base, base)
    distances, index = np.empty((len(flat), 2)), np.empty(len(flat), np.int64)
    for start in range(0, len(flat), _BLOCK):
        part = flat[start : start + _BLOCK]
        rough = squares - 2 * part @ base.T
        two = np.argpartition(rough, 1, axis=1)[:, :2]
        exact = ((part[:, None, :].astype(float) - base[two]) ** 2).mean(2)  # the rough ones cancel where images are alike
        order = np.argsort(exact, axis=1)
        distances[start : start + len(part)] = np.sqrt(np.take_along_axis(exact, order, 1))
        index[start : start + len(part)] = np.take_along_axis(two, order, 1)[:, 0]
    return distances, index


def find_copies(
    synthetic: np.ndarray, members: np.ndarray, held_out: np.ndarray, *, seed: int = 0, confidence: float = 0.95
) -> CopyReport:
    """Compare uint8 synthetic images with members and held-out records of the same pool, as many of each."""
    rng = np.random.default_rng(seed)
    count = min(len(members), len(held_out))
    some = members[np.sort(rng.permutation(len(members))[:count])]
    others = held_out[np.sort(rng.permutation(len(held_out))[:count])]
    whole, _ = nearest_two(synthetic, members)
    inside, outside = nearest_two(synthetic, some)[0][:, 0], nearest_two(synthetic, others)[0][:, 0]
    nearer, decided = int((inside < outside).sum()), int((inside != outside).sum())
    low, high = clopper_pearson(nearer, decided, confidence) if decided else (0.0, 1.0)
    return CopyReport(
        len(synthetic),
        count,
        int((whole[:, 0] == 0).sum()),
        float((whole[:, 0] < whole[:, 1] / 3).mean()),
        nearer / decided if decided else 0.5,
        low,
        high,
        float(np.median(inside)),
        float(np.median(outside)),
    )


def _flat(images: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(images).reshape(len(images), -1).astype(np.float32)
