"""Attacks on what is released: synthetic images, their soft labels, and the student asked at them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import KernelDensity

from upcycle.audit.attacks._released import DENSITY, LABEL_MASS, NEAREST, NEIGHBOURS, PROBE, Released
from upcycle.audit.attacks._signals import log_odds_signal
from upcycle.audit.attacks._student_t import calibrated_ratio
from upcycle.audit.statistics import Scores, auc, auc_interval

SHAPE, CLASSES = (4, 4, 1), 5


def pictures(rng: np.random.Generator, count: int) -> np.ndarray:
    return rng.integers(0, 256, (count, *SHAPE), dtype=np.uint8)


def near_to(rng: np.random.Generator, images: np.ndarray, levels: int) -> np.ndarray:
    return (images.astype(int) + rng.integers(-levels, levels + 1, images.shape)).clip(0, 255).astype(np.uint8)


def released(records: np.ndarray, images: np.ndarray, soft: np.ndarray | None = None, **more: object) -> Released:
    fields = {"student": None, "labels": np.zeros(len(records), int), "classes": CLASSES, "seed": 0}
    return Released(images, images, soft, views=[records], **fields | more)  # type: ignore[arg-type]


def test_a_copy_to_the_bit_scores_nought_and_everything_else_less() -> None:
    rng = np.random.default_rng(0)
    records = pictures(rng, 50)
    images = np.concatenate([pictures(rng, 600), records[:7]])
    found = NEAREST.score(released(records, images))
    assert (found[:7] == 0).all() and (found[7:] < 0).all()
    flat = [x.reshape(len(x), -1).astype(float) for x in (records, images)]
    truth = np.sqrt(((flat[0][:, None] - flat[1][None]) ** 2).mean(2)).min(1)
    np.testing.assert_allclose(found, -truth, rtol=1e-12)


def test_a_copy_is_found_also_where_only_some_images_are_compared() -> None:
    rng = np.random.default_rng(1)
    records, images = pictures(rng, 20), pictures(rng, 300)
    every = np.concatenate([images, records[3:4]])
    part = Released(images, every, None, None, [records], np.zeros(20, int), CLASSES, 0)
    assert NEAREST.score(part)[3] == 0


def test_density_is_that_of_scikit_learn_up_to_a_constant() -> None:
    rng = np.random.default_rng(2)
    records = pictures(rng, 40)
    images = near_to(rng, np.repeat(pictures(rng, 3), 12, axis=0), 60)  # fewer than are counted as near, so all are
    flat = [x.reshape(len(x), -1) / 255 / 4 for x in (records, images)]  # 16 pixels: root mean squares are lengths over 4
    own = np.sort(np.sqrt(((flat[0][:, None] - flat[0][None]) ** 2).sum(2)), axis=1)[:, 1]
    expected = KernelDensity(bandwidth=float(np.sqrt(np.median(own**2)))).fit(flat[1]).score_samples(flat[0])
    found = DENSITY.score(released(records, images))
    np.testing.assert_allclose(found - found.mean(), expected - expected.mean(), rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("attack", [NEAREST, DENSITY])
def test_near_copies_of_members_are_seen_once_other_sets_calibrate_each_record(attack) -> None:
    """And nothing is seen where the sets are independent of the records."""
    rng = np.random.default_rng(0)
    half = rng.random((4, 200)) < 0.5
    member = np.stack([half, ~half], 1).reshape(8, 200)
    crowded = near_to(rng, np.repeat(pictures(rng, 1), 100, axis=0), 12)
    records = np.concatenate([crowded, pictures(rng, 100)])
    raw, luck = [], []
    for inside in member:
        chosen = records[rng.permutation(np.flatnonzero(inside))[:60]]
        raw.append(attack.score(released(records, near_to(rng, chosen, 8))))
        luck.append(attack.score(released(records, pictures(rng, 60))))
    seen = Scores(calibrated_ratio(np.stack(raw), member, 0), member[0])
    assert auc(seen) > 0.7
    rate = auc_interval(Scores(calibrated_ratio(np.stack(luck), member, 0), member[0]), 0.999)
    assert rate.low <= 0.5 <= rate.high


def test_label_mass_is_the_mean_soft_label_of_the_ten_nearest() -> None:
    rng = np.random.default_rng(3)
    records, images = pictures(rng, 6), pictures(rng, 40)
    soft, labels = rng.dirichlet(np.ones(CLASSES), 40), rng.integers(0, CLASSES, 6)
    found = LABEL_MASS.score(released(records, images, soft, labels=labels))
    flat = [x.reshape(len(x), -1).astype(float) for x in (records, images)]
    order = np.argsort(((flat[0][:, None] - flat[1][None]) ** 2).sum(2), axis=1)[:, :10]
    np.testing.assert_allclose(found, [soft[near, label].mean() for near, label in zip(order, labels, strict=True)])


def test_soft_labels_of_a_memorising_teacher_tell_members_and_permuted_ones_do_not() -> None:
    rng = np.random.default_rng(4)
    records, labels, members = pictures(rng, 300), rng.integers(0, CLASSES, 300), rng.random(300) < 0.5
    images = near_to(rng, records[rng.integers(0, 300, 1500)], 30)
    gap = ((images.reshape(1500, 1, -1) / 64.0 - records[members].reshape(1, -1, 16) / 64.0) ** 2).sum(2)
    soft = np.exp(-gap / 2) @ np.eye(CLASSES)[labels[members]] + 0.02
    soft /= soft.sum(1, keepdims=True)
    for attack in (LABEL_MASS, PROBE):
        rates = []
        for answers in (soft, rng.permutation(soft)):
            found = attack.score(released(records, images, answers, labels=labels))
            scores = log_odds_signal(found[:, 0], labels) if found.ndim == 3 else found
            rates.append(auc_interval(Scores(scores, members), 0.999))
        assert rates[0].low > 0.55
        assert rates[1].low <= 0.5 <= rates[1].high


def test_the_probe_recovers_a_smooth_teacher_at_every_view() -> None:
    rng = np.random.default_rng(5)
    records, images, weights = pictures(rng, 100), pictures(rng, 1500), rng.normal(size=(16, CLASSES)) / 4

    def logits(x: np.ndarray) -> np.ndarray:
        return np.tanh((x.reshape(len(x), -1) - 128.0) / 128) @ weights

    soft = np.exp(logits(images)) / np.exp(logits(images)).sum(1, keepdims=True)
    asked = Released(images, images, soft, None, [records, records[:, ::-1]], np.zeros(100, int), CLASSES, 0)
    found = PROBE.score(asked)
    assert found.shape == (100, 2, CLASSES)
    for view, answers in zip(asked.views, found.transpose(1, 0, 2), strict=True):
        truth = logits(view) - logits(view).mean(1, keepdims=True)
        assert np.corrcoef((answers - answers.mean(1, keepdims=True)).ravel(), truth.ravel())[0, 1] > 0.95


def test_the_student_is_asked_once_and_its_answers_are_means_over_the_ten_nearest() -> None:
    rng, asked = np.random.default_rng(6), []
    records, images = pictures(rng, 5), pictures(rng, 30)

    def student(x: np.ndarray) -> np.ndarray:
        asked.append(len(x))
        return x.reshape(len(x), -1)[:, :CLASSES].astype(float)

    found = NEIGHBOURS.score(released(records, images, student=student))
    assert asked == [30] and found.shape == (5, 1, CLASSES)
    flat = [x.reshape(len(x), -1).astype(float) for x in (records, images)]
    order = np.argsort(((flat[0][:, None] - flat[1][None]) ** 2).sum(2), axis=1)[:, :10]
    np.testing.assert_allclose(found[:, 0], flat[1][order][:, :, :CLASSES].mean(1), rtol=1e-6)
