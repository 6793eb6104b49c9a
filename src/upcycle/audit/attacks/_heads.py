"""References without shadow pipelines: ridge heads in closed form on random features that no private record shaped."""

from typing import Final

import numpy as np

from upcycle._distinct import distinct
from upcycle._random import derive_seed, numpy_rng
from upcycle.audit.attacks._answered import Answered, Audited
from upcycle.audit.attacks._attack import Attack, AttackCard, Needs
from upcycle.audit.attacks._rmia import rmia
from upcycle.audit.attacks._shadow_set import ShadowSet
from upcycle.audit.attacks._signals import one_hot

COUNT: Final = 64  # heads, in complementary pairs
LEAST_UNITS: Final = 40  # below, two heads might draw the same half
_WIDTH: Final = 256  # random features
_PENALTY: Final = 0.01  # of the mean diagonal of the features' second moments
_SCALES: Final = np.geomspace(0.5, 64, 29)  # of a head's outputs as logits
_BLOCK: Final = 1_000


def ridge_heads(
    features: np.ndarray, labels: np.ndarray, units: np.ndarray, classes: int, *, count: int = COUNT, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """(logits float32 (count, records, classes), members bool (count, records)) of ridge regressions on one-hot labels.

    Each is fitted on a half of the units drawn by `seed`, the next one on the other half. `features` float32 (records, d) must
    not depend on who is a member. All outputs are multiplied by the one scale that gives the labels of records outside a
    head's half the highest likelihood. `count` must be even. Ridge regression in closed form: Hoerl & Kennard 1970.
    """
    bias = np.hstack([features, np.ones((len(features), 1), features.dtype)])
    wanted = one_hot(labels, classes).astype(features.dtype)
    whole, target = bias.T @ bias, bias.T @ wanted
    logits, members = np.empty((count, len(labels), classes), np.float32), np.empty((count, len(labels)), bool)
    for pair in range(count // 2):
        half = _half(units, seed, pair)
        moments, products = bias[half].T @ bias[half], bias[half].T @ wanted[half]
        for k, (m, p, inside) in enumerate([(moments, products, half), (whole - moments, target - products, ~half)]):
            logits[2 * pair + k], members[2 * pair + k] = bias @ _solve(m, p).astype(np.float32), inside
    return logits * _scale(logits, members, labels), members


def random_features(images: np.ndarray) -> np.ndarray:
    """float32 (records, 256): rectified random projections of the standardised pixels; the projection is the same for all
    data of a shape and has seen no record."""
    flat = images.reshape(len(images), -1)
    rng = numpy_rng(0, "random features", flat.shape[1])
    weights = rng.normal(size=(flat.shape[1], _WIDTH)).astype(np.float32) / np.float32(np.sqrt(flat.shape[1]))
    shift = rng.normal(size=_WIDTH).astype(np.float32)
    mean, deviation = flat.mean(0, dtype=np.float64), flat.std(dtype=np.float64)
    out = np.empty((len(flat), _WIDTH), np.float32)
    for start in range(0, len(flat), _BLOCK):
        block = (flat[start : start + _BLOCK] - mean) / max(deviation, 1e-6)
        out[start : start + _BLOCK] = np.maximum(block.astype(np.float32) @ weights + shift, 0)
    return out


def rmia_by_heads(
    logits: np.ndarray, labels: np.ndarray, members: np.ndarray, heads: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """Offline RMIA of a target's `logits` (records, classes), its references being those `heads` that never saw the record;
    float64 (records,) in 0..1. `members` bool (records,) is the target's own, used to leave out a head on the
    complement. Raises AuditInputError for answers that are not finite."""
    answers = np.concatenate([logits[None], heads[0]])[:, :, None]
    return rmia(ShadowSet(answers, np.concatenate([members[None], heads[1]]), labels), 0, form="offline")


def _half(units: np.ndarray, seed: int, pair: int) -> np.ndarray:
    known, position = np.unique(units, return_inverse=True)
    inside = np.zeros(len(known), bool)
    inside[numpy_rng(seed, "ridge heads", pair).permutation(len(known))[: len(known) // 2]] = True
    return np.asarray(inside[position])


def _solve(moments: np.ndarray, products: np.ndarray) -> np.ndarray:
    """Ridge weights (d + 1, classes); the bias, last, is not shrunk."""
    penalty = np.full(len(moments), _PENALTY * float(np.diag(moments)[:-1].mean()) + 1e-6)
    penalty[-1] = 1e-6
    return np.asarray(np.linalg.solve(moments.astype(np.float64) + np.diag(penalty), products.astype(np.float64)))


def _scale(logits: np.ndarray, members: np.ndarray, labels: np.ndarray) -> np.float32:
    """Where the mean log likelihood of labels left out is highest, by each record's first head without it."""
    from scipy.special import logsumexp

    rows = np.arange(len(labels))
    outside = logits[(~members).argmax(0), rows].astype(np.float64)
    means = [(scale * outside[rows, labels] - logsumexp(scale * outside, axis=1)).mean() for scale in _SCALES]
    return np.float32(_SCALES[int(np.argmax(means))])


def _heads(audited: Audited) -> tuple[np.ndarray, np.ndarray] | None:
    """Logits and members of the heads; None where the units are too few."""
    if len(distinct(audited.units)) < LEAST_UNITS:
        return None
    seed = derive_seed(audited.seed, "heads")
    return ridge_heads(random_features(audited.images), audited.labels, audited.units, audited.classes, seed=seed)


def _scores(answered: Answered) -> np.ndarray:
    heads = answered.audited.once("ridge heads", _heads)
    if heads is None:
        return np.full((1, len(answered.labels)), np.nan)
    return rmia_by_heads(answered.logits[0, :, 0], answered.labels, answered.members[0], heads)[None]


HEADS: Final = Attack(
    AttackCard(
        "RMIA offline, ridge heads",
        "Zarifzadeh et al. 2024, arXiv:2312.03262, appendix B.2.2, with closed-form references",
        "logits and label of each record; images and labels of the pool, and no shadow pipeline",
        "what is hard for a linear head on random features of the image is hard for the model; weak references cost power, "
        "never validity",
    ),
    Needs.CLASSIFIER,
    _scores,
    most=1,
)
