"""Quantile regression attack (Bertran et al. 2023, arXiv:2307.03694): no shadow pipelines, only known non-members."""

from typing import Final

import numpy as np

from upcycle._random import derive_seed
from upcycle.audit.attacks._answered import Answered
from upcycle.audit.attacks._attack import Attack, AttackCard, Needs
from upcycle.audit.attacks._signals import log_odds_signal
from upcycle.errors import AuditInputError

LEVELS: Final = (0.1, 0.25, 0.5, 0.75, 0.9, 0.97)
LEAST_KNOWN: Final = 50  # non-members on which quantiles are fitted


def quantile_attack(
    scores: np.ndarray, features: np.ndarray, known_scores: np.ndarray, known_features: np.ndarray, *, seed: int = 0
) -> np.ndarray:
    """How far each score lies above what non-members with such features score, float64 (n,), in normal deviates.

    `scores` (n,) and `known_scores` (m,) higher for members; `features` (n, d) and `known_features` (m, d) must come from
    the record alone or from other models, never from the target's answer. Boosted regressors of the LEVELS quantiles are
    fitted on the known non-members, put in order (Chernozhukov et al. 2010), and a score is placed between them, beyond
    the outer ones by the slope of the outer pair. Raises AuditInputError.
    """
    from scipy.special import ndtri

    x, z = np.asarray(features, np.float64), np.asarray(known_features, np.float64)
    s, t = (np.asarray(a, dtype=np.float64) for a in (scores, known_scores))
    if (
        s.shape != (len(x),)
        or t.shape != (len(z),)
        or not (np.isfinite(s).all() and np.isfinite(t).all())
        or len(z) < LEAST_KNOWN
    ):
        raise AuditInputError(
            f"scores must be finite, one per row of features, and known non-members at least 50. Got {s.shape} for {len(x)} "
            f"and {t.shape} for {len(z)}. Hold more records out."
        )
    grid = np.sort(np.column_stack([_regressor(level, seed).fit(z, t).predict(x) for level in LEVELS]), axis=1)
    return _place(s, grid, ndtri(np.array(LEVELS)))


def _regressor(level: float, seed: int):  # type: ignore[no-untyped-def]
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(
        loss="quantile", quantile=level, max_iter=60, max_leaf_nodes=8, min_samples_leaf=30, random_state=seed % 2**32
    )


def _place(scores: np.ndarray, grid: np.ndarray, deviates: np.ndarray) -> np.ndarray:
    """The deviate of every score by linear interpolation in its own row of quantiles."""
    span = np.maximum(grid[:, -1] - grid[:, 0], 1e-9)
    steps = np.maximum(np.diff(grid, axis=1), 1e-3 * span[:, None])  # levels that coincide would have no slope
    knots = grid[:, :1] + np.concatenate([np.zeros((len(grid), 1)), np.cumsum(steps, axis=1)], axis=1)
    segment = np.clip((scores[:, None] >= knots).sum(axis=1) - 1, 0, len(deviates) - 2)
    rows = np.arange(len(scores))
    share = (scores - knots[rows, segment]) / steps[rows, segment]
    return np.asarray(deviates[segment] + share * np.diff(deviates)[segment])


def _scores(answered: Answered) -> np.ndarray:
    """NaN for the known non-members, and for all where these are too few."""
    audited, odds = answered.audited, log_odds_signal(answered.logits[0, :, 0], answered.labels)
    known, scores = audited.known, np.full((1, len(odds)), np.nan)
    if known.sum() >= LEAST_KNOWN:
        features, state = audited.features, derive_seed(audited.seed, "attack", "quantile regression")
        scores[0, ~known] = quantile_attack(odds[~known], features[~known], odds[known], features[known], seed=state)
    return scores


QUANTILE: Final = Attack(
    AttackCard(
        "quantile regression",
        "Bertran et al. 2023, arXiv:2307.03694",
        "one score of the target per record, features of the record, and both for known non-members",
        "known non-members are drawn as the audited records; features tell how sure a model is that never saw the record",
    ),
    Needs.CLASSIFIER,
    _scores,
    most=1,
)
