"""Ridge heads: the closed form against scikit-learn, their halves, and RMIA against them where difficulty hides membership."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from upcycle.audit.attacks._heads import _PENALTY, random_features, ridge_heads, rmia_by_heads
from upcycle.audit.attacks._signals import loss_signal
from upcycle.audit.statistics import Scores, auc, null_deviation

RECORDS, CLASSES = 1_200, 3


def overlapping(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images uint8 whose brightness in three stripes says the class, some hardly; labels; log likelihoods of the classes."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(CLASSES, size=RECORDS)
    clear = rng.uniform(0, 5, size=RECORDS)
    stripes = rng.normal(size=(RECORDS, CLASSES)) + clear[:, None] * np.eye(CLASSES)[labels]
    images = np.repeat(np.clip(100 + 16 * stripes, 0, 255).astype(np.uint8)[:, :, None, None], 6, axis=2)
    return np.repeat(images, 2, axis=1), labels, 2 * stripes


def test_a_head_is_the_ridge_regression_of_its_half_and_the_next_one_of_the_other() -> None:
    images, labels, _ = overlapping(0)
    features = random_features(images)
    logits, members = ridge_heads(features, labels, np.arange(RECORDS) // 2, CLASSES, count=4, seed=5)
    assert (members[::2] == ~members[1::2]).all() and (members[:, ::2] == members[:, 1::2]).all()
    assert members.sum(1).tolist() == [RECORDS // 2] * 4 and (members[0] != members[2]).any()
    slopes = []
    for answers, half in zip(logits, members, strict=True):
        known = features[half].astype(np.float64)
        penalty = _PENALTY * (known**2).sum(0).mean()
        by_hand = Ridge(alpha=penalty).fit(known, np.eye(CLASSES)[labels[half]]).predict(features.astype(np.float64))
        slopes.append(float((answers * by_hand).sum() / (by_hand**2).sum()))
        assert np.abs(answers / slopes[-1] - by_hand).max() < 2e-3
    assert np.ptp(slopes) < 1e-3 * slopes[0]  # one scale for all


def test_features_are_the_same_whoever_is_asked_with_them() -> None:
    images, _, _ = overlapping(1)
    order = np.random.default_rng(0).permutation(RECORDS)
    assert np.allclose(random_features(images)[order], random_features(images[order]), atol=1e-4)
    assert np.isfinite(random_features(np.zeros_like(images))).all()


@pytest.mark.parametrize("gap", [0.0, 1.0])
def test_heads_find_members_among_records_of_unequal_difficulty_and_nobody_where_nothing_leaks(gap: float) -> None:
    images, labels, odds = overlapping(2)
    rng = np.random.default_rng(3)
    member = rng.permutation(np.arange(RECORDS) < RECORDS // 2)
    logits = (odds + gap * member[:, None] * np.eye(CLASSES)[labels]).astype(np.float32)
    heads = ridge_heads(random_features(images), labels, np.arange(RECORDS), CLASSES, seed=4)
    found, plain = (
        auc(Scores(rmia_by_heads(logits, labels, member, heads), member)),
        auc(Scores(loss_signal(logits, labels), member)),
    )
    noise = null_deviation(RECORDS // 2, RECORDS // 2)
    if gap:
        assert found > plain + 2 * noise and found > 0.5 + 5 * noise
    else:
        assert abs(found - 0.5) < 4 * noise
