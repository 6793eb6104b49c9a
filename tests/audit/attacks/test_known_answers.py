"""Attacks on models whose leak is known beforehand: Gaussian shifts, released means, nets that learned by heart."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.neural_network import MLPClassifier

from upcycle.audit.attacks._lira import lira_online
from upcycle.audit.attacks._rmia import rmia
from upcycle.audit.attacks._shadow_set import ShadowSet
from upcycle.audit.attacks._signals import signals
from upcycle.audit.attacks._student_t import calibrated_ratio
from upcycle.audit.statistics import Scores, auc, auc_interval, tpr_at_fpr


def student_t_ratio(shadows: ShadowSet, target: int) -> np.ndarray:
    return calibrated_ratio(shadows.statistic("log_odds"), shadows.member, target)


def halves(pipelines: int, records: int, rng: np.random.Generator, *, exact: bool = False) -> np.ndarray:
    """Membership in complementary pairs, by coin flips or exactly half of the records."""
    if exact:
        half = rng.permuted(np.tile(np.arange(records) < records // 2, (pipelines // 2, 1)), axis=1)
    else:
        half = rng.random((pipelines // 2, records)) < 0.5
    return np.stack([half, ~half], axis=1).reshape(pipelines, records)


@pytest.mark.parametrize(
    ("shift", "area", "at_1pct", "at_01pct"),
    [(0.5, 0.6382, 0.0339, 0.0048), (1.0, 0.7602, 0.0924, 0.0183), (2.0, 0.9214, 0.3721, 0.1378)],
)
def test_lira_reaches_what_a_gaussian_shift_allows(shift: float, area: float, at_1pct: float, at_01pct: float) -> None:
    """The exact optimum AUC = Phi(d / sqrt 2), TPR = 1 - Phi(z - d), from 62 references that know nothing of the law."""
    rng = np.random.default_rng(0)
    member = halves(64, 12_000, rng)
    odds = rng.normal(size=(12_000,)) * 2 + rng.normal(size=member.shape) + shift * member
    shadows = ShadowSet(np.stack([-odds / 2, odds / 2], -1)[:, :, None].astype(np.float32), member, np.ones(12_000, int))
    scores = student_t_ratio(shadows, 0)  # whose shrunk variances are nearly the common one
    assert auc(Scores(scores, member[0])) == pytest.approx(area, abs=0.017)
    for fpr, exact in ((0.01, at_1pct), (0.001, at_01pct)):
        assert exact == pytest.approx(1 - norm.cdf(norm.ppf(1 - fpr) - shift), abs=6e-5)
        rate = tpr_at_fpr(Scores(scores, member[0]), fpr)
        assert 0.8 * rate.low <= exact <= 1.2 * rate.high


@pytest.mark.parametrize(("dimensions", "area"), [(25, 0.638), (100, 0.760), (400, 0.921)])
def test_population_attack_on_a_released_mean(dimensions: int, area: float) -> None:
    """Phi(sqrt(d / n) / sqrt 2) with n = 100 records in the mean, others fresh."""
    rng, values = np.random.default_rng(0), []
    for _ in range(60):
        records = rng.normal(size=(200, dimensions))
        values.append(auc(Scores(records @ records[:100].mean(axis=0), np.arange(200) < 100)))
    assert area == pytest.approx(norm.cdf(math.sqrt(dimensions / 100) / math.sqrt(2)), abs=5e-4)
    assert np.mean(values) == pytest.approx(area, abs=0.02)


@pytest.mark.parametrize(("dimensions", "area"), [(25, 0.691), (100, 0.841)])
def test_shadows_that_are_halves_of_one_pool_find_more_than_the_population_attack(dimensions: int, area: float) -> None:
    """Phi(sqrt(2 d / n) / sqrt 2): the finite pool doubles the information, and the machinery shows exactly that."""
    rng, values = np.random.default_rng(1), []
    for _ in range(6):
        records, member = rng.normal(size=(200, dimensions)), halves(66, 200, rng, exact=True)
        released = member @ records / 100
        statistics = released @ records.T
        values += [auc(Scores(calibrated_ratio(statistics, member, k), member[k])) for k in range(0, 66, 6)]
    assert area == pytest.approx(norm.cdf(math.sqrt(2 * dimensions / 100) / math.sqrt(2)), abs=5e-4)
    assert np.mean(values) == pytest.approx(area, abs=0.025)


@pytest.fixture(scope="module")
def by_heart() -> tuple[ShadowSet, ShadowSet]:
    """Twelve nets that learned random labels without a mistake, and twelve with weights as drawn."""
    rng = np.random.default_rng(0)
    images, labels = rng.normal(size=(400, 20)), np.arange(400) % 30
    member = halves(12, 400, rng)
    learned, fresh = [], []
    for pipeline, inside in enumerate(member):
        net = MLPClassifier((48,), solver="lbfgs", alpha=1e-4, max_iter=200, random_state=pipeline)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            net.fit(images[inside], labels[inside])
        assert net.score(images[inside], labels[inside]) == 1
        learned.append(answer(images, net.coefs_, net.intercepts_))
        fresh.append(answer(images, [rng.normal(size=w.shape) / 5 for w in net.coefs_], [0 * b for b in net.intercepts_]))
    return tuple(ShadowSet(np.stack(x)[:, :, None].astype(np.float32), member, labels) for x in (learned, fresh))


def answer(images: np.ndarray, weights: list[np.ndarray], biases: list[np.ndarray]) -> np.ndarray:
    return np.asarray(np.maximum(images @ weights[0] + biases[0], 0) @ weights[1] + biases[1])


def test_a_net_that_learned_by_heart_is_found_out(by_heart: tuple[ShadowSet, ShadowSet]) -> None:
    shadows, _ = by_heart
    for target in range(0, 12, 3):
        member = shadows.member[target]
        loss = auc(Scores(signals()["loss"](shadows.logits[target, :, 0], shadows.labels), member))
        assert loss > 0.95
        for attack in (student_t_ratio, rmia):
            assert auc(Scores(attack(shadows, target), member)) > 0.99, attack
        found = lira_online(shadows, target)
        assert auc(Scores(found, member)) > 0.98  # five references a side are few for variances of their own
        assert auc(Scores(found, ~member)) == pytest.approx(1 - auc(Scores(found, member)))


def test_fresh_nets_tell_nothing(by_heart: tuple[ShadowSet, ShadowSet]) -> None:
    _, shadows = by_heart
    for attack in (lira_online, student_t_ratio, rmia):
        rate = auc_interval(Scores(attack(shadows, 0), shadows.member[0]), confidence=0.99)
        assert rate.low <= 0.5 <= rate.high, attack
