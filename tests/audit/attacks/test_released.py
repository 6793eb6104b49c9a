"""Attacks on what is released (synthetic images, soft labels) and on queries beside the record."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from sklearn.neighbors import KernelDensity

from upcycle.audit.attacks._features import pixel_encoder
from upcycle.audit.attacks._released import (
    density_ratio,
    label_mass,
    nearest_ratio,
    neighbour_logits,
    neighbour_ratio,
    neighbour_statistic,
    probe_statistic,
)
from upcycle.audit.attacks._shadow_set import ShadowSet
from upcycle.audit.attacks._signals import signals
from upcycle.audit.attacks._student_t import calibrated_ratio
from upcycle.audit.statistics import auc, delong_interval
from upcycle.errors import AuditInputError


def members_and_copies(seed: int, share: float, n: int = 300, d: int = 6) -> tuple[np.ndarray, ...]:
    """Records, their membership, a synthetic set of which `share` are noisy copies of members, a reference set."""
    rng = np.random.default_rng(seed)
    records, members = rng.normal(size=(n, d)), rng.random(n) < 0.5
    synthetic = rng.normal(size=(n, d))
    copies = int(share * n)
    synthetic[:copies] = rng.permutation(records[members])[:copies] + 0.05 * rng.normal(size=(copies, d))
    return records, members, synthetic, rng.normal(size=(n, d))


def test_density_ratio_is_that_of_scikit_learns_kernel_density() -> None:
    records, _, synthetic, reference = members_and_copies(0, 0.2)
    found = density_ratio(records, synthetic, reference, bandwidth=0.7)
    drawn, known = (KernelDensity(bandwidth=0.7).fit(x).score_samples(records) for x in (synthetic, reference))
    np.testing.assert_allclose(found, drawn - known, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("attack", [density_ratio, nearest_ratio])
def test_copies_of_members_are_seen_and_independent_images_are_not(attack) -> None:
    records, members, synthetic, reference = members_and_copies(1, 0.4)
    assert auc(attack(records, synthetic, reference), members) > 0.8
    alarms = 0
    for seed in range(40):
        records, members, synthetic, reference = members_and_copies(seed, 0.0)
        alarms += delong_interval(attack(records, synthetic, reference), members).low > 0.5
    assert alarms <= 4  # 1 expected of 40; 5 or more has probability 0.003


def test_nearest_ratio_is_the_log_ratio_of_the_distances() -> None:
    records, synthetic, reference = np.array([[0.0, 0]]), np.array([[3.0, 4], [0, 1]]), np.array([[0.0, 2], [0, 4], [9, 9]])
    np.testing.assert_allclose(nearest_ratio(records, synthetic, reference), np.log(2))
    np.testing.assert_allclose(nearest_ratio(records, synthetic, reference, neighbours=2), np.log(3 / 3))


def test_shadow_synthetic_sets_calibrate_the_distance_of_each_record() -> None:
    """Records in dense places are near any synthetic set; only the ratio to other pipelines' sets tells members."""
    rng = np.random.default_rng(0)
    half = rng.random((4, 300)) < 0.5
    member = np.stack([half, ~half], 1).reshape(8, 300)
    records = rng.normal(size=(300, 4)) * rng.choice([0.2, 3.0], (300, 1))
    raw = []
    for inside in member:
        synthetic = records[rng.permutation(np.flatnonzero(inside))[:100]] + 0.3 * rng.normal(size=(100, 4))
        raw.append(-np.linalg.norm(records[:, None] - synthetic[None], axis=2).min(axis=1))
    calibrated = auc(calibrated_ratio(np.stack(raw), member, 0), member[0])
    assert calibrated > auc(raw[0], member[0]) + 0.05


def test_reference_records_that_are_audited_are_refused() -> None:
    records, _, synthetic, reference = members_and_copies(0, 0.0)
    reference[3] = records[5]
    for attack in (density_ratio, nearest_ratio):
        with pytest.raises(AuditInputError, match="Got 1 that equal one"):
            attack(records, synthetic, reference)


def memorised_labels(seed: int = 0, n: int = 400) -> tuple[np.ndarray, ...]:
    """Clustered records with a wrong label each; a teacher that answers members, and what lies near them, with it."""
    rng = np.random.default_rng(seed)
    records, labels, members = rng.normal(size=(n, 8)), rng.integers(0, 5, n), rng.random(n) < 0.5
    synthetic = rng.normal(size=(1500, 8))
    near = np.exp(-((synthetic[:, None] - records[None][:, members]) ** 2).sum(2) / 2)
    soft = near @ np.eye(5)[labels[members]] + 0.02
    return records, labels, members, synthetic, soft / soft.sum(1, keepdims=True)


@pytest.mark.parametrize("attack", [partial(probe_statistic, landmarks=300), label_mass])
def test_soft_labels_of_a_memorising_teacher_tell_members_and_permuted_ones_do_not(attack) -> None:
    records, labels, members, synthetic, soft = memorised_labels()
    assert delong_interval(attack(records, labels, synthetic, soft), members).low > 0.6
    shuffled = np.random.default_rng(3).permutation(soft)
    rate = delong_interval(attack(records, labels, synthetic, shuffled), members, confidence=0.999)
    assert rate.low <= 0.5 <= rate.high


def test_label_mass_is_the_log_odds_of_the_mean_soft_label() -> None:
    soft = np.array([[0.8, 0.2], [0.4, 0.6], [0.1, 0.9]])
    found = label_mass(np.array([[0.0]]), np.array([1]), np.array([[0.1], [-0.2], [5]]), soft, neighbours=2)
    np.testing.assert_allclose(found, np.log(0.4 / 0.6))


def test_probe_recovers_a_smooth_teacher() -> None:
    rng = np.random.default_rng(0)
    synthetic, records, weights = rng.normal(size=(800, 3)), rng.normal(size=(200, 3)), rng.normal(size=(3, 4))

    def logits(x: np.ndarray) -> np.ndarray:
        return np.tanh(x) @ weights

    labels = rng.integers(0, 4, 200)
    soft = np.exp(logits(synthetic)) / np.exp(logits(synthetic)).sum(1, keepdims=True)
    truth = signals()["log_odds"](logits(records), labels)
    assert np.corrcoef(probe_statistic(records, labels, synthetic, soft, landmarks=200), truth)[0, 1] > 0.99


def test_neighbours_are_asked_once_and_in_order_of_distance() -> None:
    asked = []

    def predict(images: np.ndarray) -> np.ndarray:
        asked.append(len(images))
        return np.hstack([images, -images])

    drawn = np.array([[0.0], [1], [2], [10]])
    logits = neighbour_logits(predict, np.array([[0.1], [1.8]]), drawn, drawn * 10, neighbours=2)
    assert asked == [3]
    np.testing.assert_allclose(logits[..., 0], [[0, 10], [20, 10]])
    found = neighbour_statistic(logits, np.array([0, 1]), signal="hinge")
    np.testing.assert_allclose(found, [(0 + 20) / 2, -(40 + 20) / 2])


def test_a_leak_beside_the_record_is_seen_though_the_record_itself_shows_none() -> None:
    rng = np.random.default_rng(0)
    half = rng.random((4, 500)) < 0.5
    member = np.stack([half, ~half], 1).reshape(8, 500)
    odds = rng.normal(size=(8, 500, 6))
    odds[:, :, 1:] += member[:, :, None]
    shadows = ShadowSet(np.stack([-odds / 2, odds / 2], 3).astype(np.float32), member, np.ones(500, int))
    assert auc(neighbour_ratio(shadows, 0, own_views=1), member[0]) > 0.8
    own = ShadowSet(shadows.logits[:, :, [0, 0]], member, shadows.labels)
    rate = delong_interval(neighbour_ratio(own, 0, own_views=1), member[0], confidence=0.999)
    assert rate.low <= 0.5 <= rate.high
    with pytest.raises(AuditInputError, match=r"own_views must be in 0..5"):
        neighbour_ratio(shadows, 0, own_views=6)


def test_pixel_encoder_keeps_distances_of_what_it_was_fitted_on() -> None:
    images = np.random.default_rng(0).integers(0, 256, (30, 3, 3, 1), dtype=np.uint8)
    features = pixel_encoder(images)(images)
    assert features.shape == (30, 9)
    flat = images.reshape(30, -1).astype(float)
    np.testing.assert_allclose(np.linalg.norm(features[0] - features[1]), np.linalg.norm(flat[0] - flat[1]), rtol=1e-5)


RECORDS, SYNTHETIC = np.zeros((3, 2)), np.ones((4, 2))
SOFT, LABELS = np.full((4, 2), 0.5), np.array([0, 1, 0])


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: density_ratio(RECORDS, SYNTHETIC * np.nan, SYNTHETIC), "synthetic must be finite"),
        (lambda: density_ratio(RECORDS, SYNTHETIC, np.ones((4, 3))), "features must be equally wide"),
        (lambda: density_ratio(RECORDS, SYNTHETIC, SYNTHETIC), "bandwidth must be above 0"),
        (lambda: density_ratio(np.zeros(3), SYNTHETIC, SYNTHETIC), "records must be numbers of shape"),
        (lambda: nearest_ratio(RECORDS, SYNTHETIC, SYNTHETIC, neighbours=5), r"neighbours must be in 1..4"),
        (lambda: probe_statistic(RECORDS, LABELS, SYNTHETIC, SOFT * 2), "soft_labels must be probabilities"),
        (lambda: label_mass(RECORDS, LABELS + 1, SYNTHETIC, SOFT), r"labels must be integers in 0..1"),
        (
            lambda: label_mass(RECORDS, LABELS, SYNTHETIC, SOFT[:3]),
            r"soft_labels must be probabilities of shape \(4, classes\)",
        ),
        (lambda: neighbour_logits(lambda x: x, RECORDS, SYNTHETIC, SYNTHETIC[:2]), "synthetic_images must be 4"),
        (lambda: pixel_encoder(np.zeros((0, 3))), "images must have shape"),
    ],
)
def test_unusable_releases_are_refused(call, says: str) -> None:
    with pytest.raises(AuditInputError, match=says):
        call()
