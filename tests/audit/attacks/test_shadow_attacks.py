"""Attacks over shadow pipelines: equal to the papers' formulas, silent without a leak, strong with few pipelines."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from scipy.stats import norm, t

from upcycle.audit.attacks._lira import difficulty_calibrated, lira_offline_density, lira_offline_one_sided, lira_online
from upcycle.audit.attacks._references import Case, sides
from upcycle.audit.attacks._rmia import _ratios, rmia
from upcycle.audit.attacks._shadow_set import ShadowSet, record_statistic, reference_indices
from upcycle.audit.attacks._student_t import calibrated_ratio
from upcycle.audit.statistics import Scores, auc, auc_interval, tpr_at_fpr
from upcycle.errors import AuditInputError

Attack = Callable[[ShadowSet, int], np.ndarray]


def student_t_ratio(shadows: ShadowSet, target: int) -> np.ndarray:
    return calibrated_ratio(shadows.statistic("log_odds"), shadows.member, target)


ATTACKS: dict[str, Attack] = {
    "online": lira_online,
    "density": lira_offline_density,
    "one-sided": lira_offline_one_sided,
    "student": student_t_ratio,
    "difficulty": difficulty_calibrated,
    "rmia online": rmia,
    "rmia offline": partial(rmia, form="offline"),
}


def halves(pipelines: int, records: int, rng: np.random.Generator) -> np.ndarray:
    """Membership bool (pipelines, records) in complementary pairs."""
    half = rng.random((pipelines // 2, records)) < 0.5
    return np.stack([half, ~half], axis=1).reshape(pipelines, records)


def shadow_set(
    pipelines: int = 16, records: int = 200, leak: float = 1.0, seed: int = 0, views: int = 1, spread: float = 0.0
) -> ShadowSet:
    """Two classes; log-odds = difficulty of the record + leak x membership + noise, whose deviation differs by record."""
    rng = np.random.default_rng(seed)
    member = halves(pipelines, records, rng)
    labels = rng.integers(0, 2, records)
    noise = rng.normal(size=(pipelines, records, views)) * np.exp(spread * rng.normal(size=(records, 1)))
    odds = rng.normal(scale=2, size=(records, 1)) + leak * member[:, :, None] + noise
    own = np.eye(2, dtype=bool)[labels][None, :, None, :]
    return ShadowSet(np.where(own, odds[..., None] / 2, -odds[..., None] / 2).astype(np.float32), member, labels)


def own_log_odds(shadows: ShadowSet) -> np.ndarray:
    """(pipelines, records, views), straight from the softmax."""
    p = np.exp(shadows.logits.astype(float))
    p /= p.sum(-1, keepdims=True)
    own = np.take_along_axis(p, np.broadcast_to(shadows.labels[None, :, None, None], (*p.shape[:3], 1)), -1)[..., 0]
    return np.log(own / (1 - own))


@pytest.fixture(scope="module")
def stored() -> ShadowSet:
    return shadow_set(views=3)


def test_lira_equals_the_formulas_of_the_paper(stored: ShadowSet) -> None:
    phi, target = own_log_odds(stored), 5
    used = [i for i in range(16) if i not in (4, 5)]
    expected = {"online": np.zeros(200), "density": np.zeros(200), "one-sided": np.zeros(200)}
    for view in range(3):
        centred = {True: [], False: []}
        for record in range(200):
            for flag, rows in centred.items():
                values = [phi[i, record, view] for i in used if stored.member[i, record] == flag]
                rows.append((np.mean(values), np.std(values, ddof=1)))
        for record in range(200):
            x = phi[target, record, view]
            n_in, n_out = (norm(*centred[f][record]) for f in (True, False))
            expected["online"][record] += n_in.logpdf(x) / 3 - n_out.logpdf(x) / 3
            expected["density"][record] -= n_out.logpdf(x) / 3
            expected["one-sided"][record] -= n_out.logsf(x) / 3
    for name, values in expected.items():
        np.testing.assert_allclose(ATTACKS[name](stored, target), values, rtol=1e-6, atol=1e-6, err_msg=name)


def test_one_sided_offline_form_is_the_papers_lambda() -> None:
    shadows = shadow_set(seed=3)
    phi, out = own_log_odds(shadows)[:, :, 0], ~shadows.member
    used = [i for i in range(16) if i not in (0, 1)]
    mean = np.array([phi[used, r][out[used, r]].mean() for r in range(200)])
    std = np.array([phi[used, r][out[used, r]].std(ddof=1) for r in range(200)])
    np.testing.assert_allclose(1 - np.exp(-lira_offline_one_sided(shadows, 0)), norm.cdf((phi[0] - mean) / std), atol=1e-6)


def test_the_two_offline_forms_part_where_confidence_is_lower_than_out() -> None:
    """Density calls it unlike OUT, hence a member; one-sided calls it a non-member."""
    shadows = shadow_set(records=100, leak=0.0)
    logits = shadows.logits.copy()
    logits[0, 7, 0, shadows.labels[7]] -= 60
    odd = ShadowSet(logits, shadows.member, shadows.labels)
    assert lira_offline_density(odd, 0).argmax() == 7
    assert lira_offline_one_sided(odd, 0).argmin() == 7


@pytest.mark.parametrize("form", ["online", "offline"])
def test_rmia_by_sorting_equals_the_double_loop(form: str) -> None:
    shadows = shadow_set(8, 60, views=2, seed=1)
    p = 1 / (1 + np.exp(-own_log_odds(shadows)))
    used, expected = [i for i in range(8) if i not in (2, 3)], np.zeros(60)
    for view in range(2):
        ratios = np.empty(60)
        for x in range(60):
            p_in = np.mean([p[i, x, view] for i in used if shadows.member[i, x]])
            p_out = np.mean([p[i, x, view] for i in used if not shadows.member[i, x]])
            ratios[x] = p[2, x, view] / ((p_in + p_out) / 2 if form == "online" else 0.5 * ((1 + 0.3) * p_out + (1 - 0.3)))
        expected += [(ratios[x] / ratios >= 1).mean() / 2 for x in range(60)]
    np.testing.assert_allclose(rmia(shadows, 2, form=form), expected, atol=1e-6)  # type: ignore[arg-type]


def test_rmia_never_holds_records_times_population() -> None:
    """20,000 x 20,000 doubles would be 3.2 GB."""
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(4, 20_000, 1, 2)).astype(np.float32), rng.integers(0, 2, 20_000)
    shadows = ShadowSet(logits, halves(4, 20_000, rng), labels)
    tracemalloc.start()
    rmia(shadows, 0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50 * 2**20


def test_student_ratio_equals_its_predictive_densities() -> None:
    shadows = shadow_set(6, 80, seed=2)
    phi, used = own_log_odds(shadows)[:, :, 0], [2, 3, 4, 5]
    groups = {f: [phi[used, r][shadows.member[used, r] == f] for r in range(80)] for f in (True, False)}
    pooled = {f: sum(((g - g.mean()) ** 2).sum() for g in rows) / 80 for f, rows in groups.items()}

    def density(record: int, flag: bool) -> float:
        g = groups[flag][record]
        degrees = 4 + len(g) - 1
        variance = (4 * pooled[flag] + ((g - g.mean()) ** 2).sum()) / degrees
        return float(t(degrees, g.mean(), np.sqrt(variance * (1 + 1 / len(g)))).logpdf(phi[0, record]))

    expected = [density(r, True) - density(r, False) for r in range(80)]
    np.testing.assert_allclose(student_t_ratio(shadows, 0), expected, atol=1e-6)
    np.testing.assert_allclose(calibrated_ratio(phi, shadows.member, 0), expected, atol=1e-6)


@pytest.mark.parametrize("name", list(ATTACKS))
def test_no_leak_means_no_advantage_in_complementary_pairs(name: str) -> None:
    """Pooled over many null audits the AUC must be 0.5; the partner as a reference would shift it (next test)."""
    attack, values = ATTACKS[name], []
    for seed in range(30):
        shadows = shadow_set(8, 300, leak=0.0, seed=seed + 50)
        values.append(auc(Scores(attack(shadows, seed % 8), shadows.member[seed % 8])))
    assert abs(np.mean(values) - 0.5) < 4 * 0.0334 / np.sqrt(30)


def test_keeping_the_partner_would_shift_the_null(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("upcycle.audit.attacks._shadow_set.PARTNER_AGREEMENT", -1.0)
    monkeypatch.setattr("upcycle.audit.attacks._shadow_set._COUNTABLE", 10**9)
    values = []
    for seed in range(30):
        shadows = shadow_set(8, 300, leak=0.0, seed=seed + 50)
        values.append(auc(Scores(lira_online(shadows, seed % 8), shadows.member[seed % 8])))
    assert abs(np.mean(values) - 0.5) > 8 * 0.0334 / np.sqrt(30)


@pytest.mark.parametrize("name", list(ATTACKS))
def test_every_attack_finds_a_plain_leak_the_right_way_round(name: str) -> None:
    shadows = shadow_set(16, 400, leak=2.0, seed=4)
    found = auc(Scores(ATTACKS[name](shadows, 3), shadows.member[3]))
    assert found > (0.6 if "density" in name else 0.8)


@pytest.mark.parametrize("name", list(ATTACKS))
def test_order_of_records_and_pipelines_changes_nothing(name: str) -> None:
    shadows = shadow_set(8, 60, seed=6, views=2)
    records, pipelines = np.random.default_rng(0).permutation(60), np.array([3, 1, 0, 7, 6, 5, 2, 4])
    moved = ShadowSet(shadows.logits[pipelines][:, records], shadows.member[pipelines][:, records], shadows.labels[records])
    expected = ATTACKS[name](shadows, 7)[records]
    np.testing.assert_allclose(ATTACKS[name](moved, 3), expected, rtol=1e-9, atol=1e-12)


def test_a_duplicated_shadow_changes_nothing_in_the_global_attack() -> None:
    """One threshold for all records reads the target alone, whatever stands next to it."""
    shadows = shadow_set(8, 60, seed=6)
    twice = [0, 1, 2, 3, 4, 5, 6, 7, 5]
    alone = record_statistic(shadows.logits[2], shadows.labels, "loss")
    np.testing.assert_array_equal(record_statistic(shadows.logits[twice], shadows.labels, "loss")[2], alone)


def test_a_shadow_counted_twice_is_refused_since_it_would_narrow_the_variances_of_lira() -> None:
    """RMIA reads means, which equal counts leave alone; LiRA's variances would take twins for agreement."""
    shadows = shadow_set(8, 60, seed=6)
    twice = [0, 1, 2, 3, 4, 5, 6, 7, 5]
    with pytest.raises(AuditInputError, match=r"differ in their logits. Got equal ones: 5 = 8"):
        ShadowSet(shadows.logits[twice], shadows.member[twice], shadows.labels)
    others = reference_indices(shadows.member, 0)
    member = shadows.member[others]
    known = np.random.default_rng(0).random(member.shape)
    doubled = _ratios(known[0], np.repeat(known, 2, 0), np.repeat(member, 2, 0), "online")
    np.testing.assert_allclose(doubled, _ratios(known[0], known, member, "online"), rtol=1e-12)
    found = shadows.statistic("log_odds")[others]
    plain, narrowed = (sides(Case(found[0], np.repeat(found, times, 0), np.repeat(member, times, 0)))[0] for times in (1, 2))
    np.testing.assert_allclose(narrowed.mean, plain.mean)
    assert (narrowed.variance < plain.variance).all()


@pytest.mark.parametrize("name", list(ATTACKS))
def test_renaming_the_classes_changes_nothing(name: str) -> None:
    shadows = shadow_set(8, 60, seed=6)
    renamed = ShadowSet(shadows.logits[..., ::-1], shadows.member, 1 - shadows.labels)
    np.testing.assert_allclose(ATTACKS[name](renamed, 1), ATTACKS[name](shadows, 1), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", list(ATTACKS))
def test_the_targets_own_membership_is_never_used(name: str) -> None:
    shadows = shadow_set(8, 60, seed=8)
    member = shadows.member.copy()
    member[0, :6] = ~member[0, :6]
    fooled = ShadowSet(shadows.logits, member, shadows.labels)
    np.testing.assert_array_equal(ATTACKS[name](fooled, 0), ATTACKS[name](shadows, 0))


def test_more_views_find_more() -> None:
    shadows = shadow_set(16, 2000, leak=1.0, seed=1, views=6)
    single = ShadowSet(shadows.logits[:, :, :1], shadows.member, shadows.labels)
    one = auc(Scores(lira_online(single, 0), shadows.member[0]))
    assert auc(Scores(lira_online(shadows, 0), shadows.member[0])) > one + 0.1


def test_with_few_pipelines_shrinkage_beats_own_variances() -> None:
    """The note's order at few references; with many, shrinkage costs nothing."""
    rates: dict[tuple[int, str], list[float]] = {}
    for pipelines in (10, 66):
        for seed in range(3):
            shadows = shadow_set(pipelines, 8000, leak=1.5, seed=seed, spread=0.3)
            for name in ("online", "student"):
                rate = tpr_at_fpr(Scores(ATTACKS[name](shadows, 0), shadows.member[0]), 0.01)
                rates.setdefault((pipelines, name), []).append(rate.value)
    mean = {key: float(np.mean(values)) for key, values in rates.items()}
    assert mean[10, "student"] > 1.2 * mean[10, "online"]
    assert mean[66, "student"] > 0.95 * mean[66, "online"]


def test_two_pairs_are_enough_for_the_student_ratio_and_too_few_for_own_variances() -> None:
    shadows = shadow_set(4, 400, leak=3.0, seed=0)
    assert auc(Scores(student_t_ratio(shadows, 0), shadows.member[0])) > 0.85
    with pytest.raises(AuditInputError, match="references must number at least 2"):
        lira_online(shadows, 0)


def test_records_with_too_few_references_get_a_score_that_says_nothing() -> None:
    shadows = shadow_set(6, 100, leak=0.0)
    member = shadows.member.copy()
    member[:, 0] = [True, False, False, False, False, False]
    scores = student_t_ratio(ShadowSet(shadows.logits, member, shadows.labels), 0)
    assert scores[0] == pytest.approx(np.median(scores[1:]))


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda s: lira_online(s, 9), r"target must be in 0..7"),
        (lambda s: calibrated_ratio(s.logits[..., 0, 0] * np.nan, s.member, 0), "statistics must be finite"),
        (lambda s: calibrated_ratio(s.logits[:3, :, 0, 0], s.member, 0), "statistics must be floats of shape"),
    ],
)
def test_wrong_questions_are_refused(call: Callable[[ShadowSet], np.ndarray], says: str) -> None:
    with pytest.raises(AuditInputError, match=says):
        call(shadow_set(8, 60))


def test_an_interval_of_a_leaking_target_lies_above_one_half() -> None:
    shadows = shadow_set(8, 400, leak=1.0, seed=5)
    assert auc_interval(Scores(student_t_ratio(shadows, 6), shadows.member[6])).low > 0.5
