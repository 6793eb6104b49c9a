"""Known answers, naive versions and simulated coverage of the statistics every claim about leakage rests on."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom, mannwhitneyu, norm
from sklearn.metrics import roc_auc_score, roc_curve

from upcycle.audit.statistics import Scores
from upcycle.audit.statistics._auc import auc, auc_interval, auc_p_value, coarse, roc
from upcycle.audit.statistics._binomial import accuracy_interval, clopper_pearson, paired_difference_interval
from upcycle.audit.statistics._permutation import holm
from upcycle.audit.statistics._power import detectable_auc, records_needed
from upcycle.audit.statistics._risk import aop
from upcycle.audit.statistics._tpr import tpr_at_fpr, tpr_p_value
from upcycle.audit.statistics._values import NotResolvable, Rate
from upcycle.errors import AuditInputError

TCKR = [  # teacher accuracy, student accuracy, teacher AUC, student AUC, teacher AOP, student AOP, all in per cent
    (97.52, 97.33, 53.89, 52.81, 83.95, 87.25),
    (85.49, 85.74, 70.32, 62.80, 43.22, 54.35),
    (93.96, 94.68, 72.74, 64.60, 44.40, 56.72),
    (75.67, 76.22, 70.29, 64.55, 38.29, 45.73),
    (88.22, 88.00, 82.53, 79.44, 32.38, 34.86),
    (86.79, 86.93, 65.63, 58.90, 50.37, 62.64),
    (96.74, 96.36, 65.89, 58.38, 55.71, 70.68),
    (93.05, 92.52, 58.67, 55.82, 67.58, 74.23),
    (98.29, 97.83, 60.32, 55.32, 67.53, 79.92),
    (92.26, 92.62, 67.81, 60.60, 50.16, 63.05),
    (90.22, 89.28, 61.18, 56.40, 60.26, 70.17),
    (99.24, 99.21, 50.97, 51.03, 95.50, 95.25),
]


def halves(n_members: int, n_non_members: int) -> np.ndarray:
    return np.arange(n_members + n_non_members) < n_members


def gaussian(rng: np.random.Generator, n: int, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    members = halves(n, n)
    return rng.normal(size=2 * n) + shift * members, members


def naive_delong(scores: np.ndarray, members: np.ndarray) -> tuple[float, float]:
    """AUC and variance from the m x n table of comparisons."""
    inside, outside = scores[members][:, None], scores[~members][None, :]
    table = (inside > outside) + 0.5 * (inside == outside)
    variance = table.mean(1).var(ddof=1) / table.shape[0] + table.mean(0).var(ddof=1) / table.shape[1]
    return float(table.mean()), float(variance)


tied_scores = st.integers(4, 40).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(-3, 3), min_size=n, max_size=n),
        st.lists(st.booleans(), min_size=n, max_size=n).filter(lambda flags: 2 <= sum(flags) <= len(flags) - 2),
    )
)


@given(tied_scores)
@settings(max_examples=60, deadline=None)
def test_auc_and_roc_equal_scikit_learn_with_ties(case: tuple[list[int], list[bool]]) -> None:
    scores, members = np.array(case[0], dtype=float), np.array(case[1])
    assert auc(Scores(scores, members)) == pytest.approx(roc_auc_score(members, scores), abs=1e-12)
    ours = roc(Scores(scores, members))
    fpr, tpr, thresholds = roc_curve(members, scores, drop_intermediate=False)
    np.testing.assert_allclose(ours.fpr, fpr)
    np.testing.assert_allclose(ours.tpr, tpr)
    np.testing.assert_array_equal(ours.thresholds, thresholds)


@given(tied_scores)
@settings(max_examples=60, deadline=None)
def test_fast_delong_equals_the_table_of_all_pairs(case: tuple[list[int], list[bool]]) -> None:
    scores, members = np.array(case[0], dtype=float), np.array(case[1])
    value, variance = naive_delong(scores, members)
    rate = auc_interval(Scores(scores, members))
    assert rate.value == pytest.approx(value, abs=1e-12)
    assert 0 <= rate.low <= rate.value <= rate.high <= 1
    if variance > 1e-12 and not coarse(Scores(scores, members)):  # scores of few values have wider limits
        half = norm.ppf(0.975) * math.sqrt(variance) / (value * (1 - value))
        expected = 1 / (1 + np.exp(-(math.log(value / (1 - value)) + np.array([-half, half]))))
        np.testing.assert_allclose([rate.low, rate.high], expected, atol=1e-10)


@given(tied_scores, st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_order_of_records_and_monotone_transforms_change_nothing_and_a_swapped_flag_mirrors(
    case: tuple[list[int], list[bool]], shuffler: object
) -> None:
    scores, members = np.array(case[0], dtype=float), np.array(case[1])
    order = np.array(shuffler.sample(range(len(scores)), len(scores)))  # type: ignore[attr-defined]
    moved = scores[order], members[order]
    stretched = np.exp(scores) * 7 - 2
    for statistic in (auc, auc_interval, auc_p_value, lambda s: tpr_at_fpr(s, 0.9)):
        expected = statistic(Scores(scores, members))
        assert (
            statistic(Scores(*moved)) == pytest.approx(expected)
            if isinstance(expected, float)
            else close(statistic(Scores(*moved)), expected)
        )
        again = statistic(Scores(stretched, members))
        assert again == pytest.approx(expected) if isinstance(expected, float) else close(again, expected)
    mirrored, plain = auc_interval(Scores(scores, ~members)), auc_interval(Scores(scores, members))
    np.testing.assert_allclose([mirrored.value, mirrored.low, mirrored.high], [1 - plain.value, 1 - plain.high, 1 - plain.low])


def close(a: object, b: object) -> bool:
    if isinstance(a, Rate) and isinstance(b, Rate):
        return bool(np.allclose([a.value, a.low, a.high], [b.value, b.low, b.high]))
    return a == b


def test_separable_scores_give_auc_one_full_tpr_and_a_limit_below_one() -> None:
    members = halves(400, 3000)
    scores = members + np.linspace(0, 0.5, 3400)
    rate = auc_interval(Scores(scores, members))
    assert (rate.value, rate.high) == (1.0, 1.0)
    assert rate.low == pytest.approx(0.025 ** (1 / 400))
    for fpr in (0.01, 0.001):
        found = tpr_at_fpr(Scores(scores, members), fpr)
        assert isinstance(found, Rate)
        assert found.value == found.high == 1
    assert auc_p_value(Scores(scores, members)) < 1e-12


def test_constant_scores_give_chance_no_tpr_and_no_significance() -> None:
    members = halves(300, 300)
    scores = np.full(600, 0.3)
    rate = auc_interval(Scores(scores, members))
    assert rate.value == 0.5
    assert 0.49 < rate.low < 0.5 < rate.high < 0.51
    found = tpr_at_fpr(Scores(scores, members), 0.01)
    assert isinstance(found, Rate)
    assert (found.value, found.low) == (0, 0)
    assert found.high < 0.02
    assert auc_p_value(Scores(scores, members)) == 1


@pytest.mark.parametrize(
    ("shift", "area", "accuracy", "tpr_1", "tpr_01"),
    [(0.5, 0.6382, 0.5987, 0.0339, 0.0048), (1, 0.7602, 0.6915, 0.0924, 0.0183), (2, 0.9214, 0.8413, 0.3721, 0.1378)],
)
def test_gaussian_shift_table_is_reproduced(shift: float, area: float, accuracy: float, tpr_1: float, tpr_01: float) -> None:
    grid = norm.ppf((np.arange(40_000) + 0.5) / 40_000)  # quantiles instead of draws: no sampling noise
    scores, members = np.concatenate([grid + shift, grid]), halves(40_000, 40_000)
    curve = roc(Scores(scores, members))
    assert auc(Scores(scores, members)) == pytest.approx(area, abs=1e-4)
    assert ((curve.tpr + 1 - curve.fpr) / 2).max() == pytest.approx(accuracy, abs=1e-4)
    for fpr, tpr in ((0.01, tpr_1), (0.001, tpr_01)):
        rate = tpr_at_fpr(Scores(scores, members), fpr)
        assert isinstance(rate, Rate)
        assert rate.value == pytest.approx(tpr, abs=1e-3)
        assert rate.low < tpr < rate.high


@pytest.mark.parametrize("n", [20, 200, 1000])
def test_auc_interval_of_ignorant_scores_covers_one_half(n: int) -> None:
    rng, audits = np.random.default_rng(n), 400
    rates = [auc_interval(Scores(*gaussian(rng, n))) for _ in range(audits)]
    assert np.mean([r.low <= 0.5 <= r.high for r in rates]) >= 0.93


def test_auc_interval_covers_a_true_leak() -> None:
    rng, truth = np.random.default_rng(5), norm.cdf(1.5 / math.sqrt(2))
    rates = [auc_interval(Scores(*gaussian(rng, 100, 1.5))) for _ in range(400)]
    assert np.mean([r.low <= truth <= r.high for r in rates]) >= 0.93


@pytest.mark.parametrize("n", [200, 1000])
def test_ignorant_scores_raise_no_more_false_alarms_than_declared(n: int) -> None:
    rng, audits = np.random.default_rng(n + 1), 500
    cases = [gaussian(rng, n) for _ in range(audits)]
    slack = 3 * math.sqrt(0.05 * 0.95 / audits)
    assert np.mean([auc_p_value(Scores(*case)) < 0.05 for case in cases]) <= 0.05 + slack
    leaks = [tpr_at_fpr(Scores(*case), 0.05).low > 0.05 for case in cases]  # type: ignore[union-attr]
    assert np.mean(leaks) <= 0.025 + 3 * math.sqrt(0.025 * 0.975 / audits)


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_tpr_interval_covers_the_tpr_at_the_true_fpr(shift: float) -> None:
    rng, truth = np.random.default_rng(7), norm.sf(norm.isf(0.02) - shift)
    rates = [tpr_at_fpr(Scores(*gaussian(rng, 500, shift)), 0.02) for _ in range(300)]
    assert all(isinstance(r, Rate) and r.low <= r.value <= r.high for r in rates)
    assert np.mean([r.low <= truth <= r.high for r in rates]) >= 0.95 - 0.02  # type: ignore[union-attr]


def test_tpr_interval_covers_under_heavy_ties() -> None:
    rng, members = np.random.default_rng(8), halves(400, 400)

    # Four equally likely values; non-members reach the top one with probability 1 %, members with 9 %.
    def draw(top: float, n: int) -> np.ndarray:
        return np.where(rng.random(n) < top, 3, rng.integers(0, 3, n)).astype(float)

    rates = [tpr_at_fpr(Scores(np.concatenate([draw(0.09, 400), draw(0.01, 400)]), members), 0.0101) for _ in range(300)]
    assert np.mean([r.low <= 0.09 <= r.high for r in rates]) >= 0.93  # type: ignore[union-attr]


@pytest.mark.parametrize(("fpr", "needed"), [(0.01, 300), (0.001, 3000)])
def test_low_fpr_is_refused_below_three_expected_false_positives(fpr: float, needed: int) -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=50 + needed)
    assert isinstance(tpr_at_fpr(Scores(scores, halves(50, needed)), fpr), Rate)
    refused = tpr_at_fpr(Scores(scores[1:], halves(50, needed - 1)), fpr)
    assert refused == NotResolvable(fpr, needed)
    assert str(refused) == f"needs {needed} non-members"


@pytest.mark.parametrize(("n", "upper"), [(500, 0.00597), (1000, 0.00299), (10_000, 0.00030)])
def test_zero_of_n_gives_the_tabled_upper_limit(n: int, upper: float) -> None:
    low, high = clopper_pearson(0, n, 0.90)
    assert low == 0
    assert high == pytest.approx(upper, abs=5e-6)
    assert clopper_pearson(n, n, 0.90).low == pytest.approx(1 - high)


def test_accuracy_interval_is_the_exact_binomial_one() -> None:
    correct = np.arange(50) < 43
    assert accuracy_interval(correct) == clopper_pearson(43, 50)
    assert accuracy_interval(correct) == pytest.approx((0.7326, 0.9418), abs=2e-4)


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
def test_paired_difference_interval_covers_and_is_shorter_than_the_unpaired_one(share: float) -> None:
    rng, n, covered, widths = np.random.default_rng(3), 200, 0, []
    for _ in range(500):
        a = rng.random(n) < share
        b = np.where(rng.random(n) < 0.15, rng.random(n) < share - 0.1, a)
        truth = 0.15 * 0.1
        low, high = paired_difference_interval(a, b)
        covered += low <= truth <= high
        widths.append(high - low)
    assert covered / 500 >= 0.93
    assert np.mean(widths) < 2 * 1.96 * math.sqrt(2 * max(share * (1 - share), 0.02) / n)


def test_equal_classifiers_differ_by_nothing() -> None:
    correct = np.arange(100) < 80
    low, high = paired_difference_interval(correct, correct)
    assert low <= 0 <= high
    assert paired_difference_interval(correct, np.arange(100) < 40)[0] > 0


def test_holm_equals_the_textbook_and_keeps_the_order() -> None:
    np.testing.assert_allclose(holm(np.array([0.04, 0.01, 0.03, 0.005])), [0.06, 0.03, 0.06, 0.02])
    assert holm(np.array([0.9, 0.8])).max() == 1


@given(tied_scores)
@settings(max_examples=40, deadline=None)
def test_p_value_equals_scipy_mann_whitney(case: tuple[list[int], list[bool]]) -> None:
    scores, members = np.array(case[0], dtype=float), np.array(case[1])
    if len(set(case[0])) == 1:
        assert auc_p_value(Scores(scores, members)) == 1
        return
    assume(not coarse(Scores(scores, members)))
    expected = mannwhitneyu(scores[members], scores[~members], alternative="greater", method="asymptotic").pvalue
    assert auc_p_value(Scores(scores, members)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("ones", "members"), [(3, 36), (5, 36), (12, 36), (40, 36), (4, 200), (12, 200), (100, 200)])
def test_p_value_of_two_values_is_that_of_a_draw_without_replacement(ones: int, members: int) -> None:
    """Exactly, as far into the tail as there are digits; and the interval holds 0.5 as often as it says."""
    rng, flags, missed = np.random.default_rng(0), np.arange(400) < members, []
    for _ in range(100):
        scores = (rng.permutation(400) < ones).astype(float)
        expected = hypergeom.sf(scores[flags].sum() - 1, 400, ones, members)
        assert auc_p_value(Scores(scores, flags)) == pytest.approx(expected, rel=1e-9)
        limits = [auc_interval(Scores(scores, flags), level) for level in (0.95, 0.9995)]
        missed.append([not rate.low <= 0.5 <= rate.high for rate in limits])
    assert (np.mean(missed, axis=0) <= [0.05 + 3 * 0.0218, 0.005]).all()


@pytest.mark.slow
@pytest.mark.parametrize(("sides", "share"), [((36, 364), 0.1), ((20, 20), 0.2), ((1000, 1000), 0.01)])
def test_p_value_of_scores_that_lie_mostly_at_one_value_is_uniform_enough(
    sides: tuple[int, int], share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a tenth of the draws: that the observed one counts among them holds the level for any number."""
    monkeypatch.setattr("upcycle.audit.statistics._auc._DRAWS", 2_000)
    rng, flags = np.random.default_rng(1), np.arange(sum(sides)) < sides[0]
    p = [auc_p_value(Scores(rng.normal(size=len(flags)) * (rng.random(len(flags)) < share), flags)) for _ in range(100)]
    for level in (0.04, 0.2):
        assert np.mean(np.array(p) <= level) <= level + 3 * math.sqrt(level * (1 - level) / 100)


@pytest.mark.parametrize(("patients", "large"), [(27, True), (27, False), (8, True), (39, False)])
def test_patients_of_unequal_size_do_not_alarm_more_often_than_declared(patients: int, large: bool) -> None:
    """Also where one of either side holds a third of its images."""
    rng, sizes, found = np.random.default_rng(2), np.full(2 * patients, 10), []
    if large:
        sizes[[0, patients]] = 5 * (patients - 1)
    groups = np.repeat(np.arange(2 * patients), sizes)
    for _ in range(300):
        scores = np.sqrt(0.9) * rng.normal(size=2 * patients)[groups] + np.sqrt(0.1) * rng.normal(size=len(groups))
        s = Scores(scores, groups < patients, groups)
        rate = auc_interval(s)
        found.append([auc_p_value(s) < 0.05, not rate.low <= 0.5 <= rate.high])
    assert (np.mean(found, axis=0) <= 0.05 + 3 * 0.0126).all(), np.mean(found, axis=0)


def test_aop_reproduces_all_24_rows_of_tckr() -> None:
    for teacher, student, teacher_auc, student_auc, teacher_aop, student_aop in TCKR:
        assert aop(teacher, teacher_auc / 100) == pytest.approx(teacher_aop, abs=0.01)
        assert aop(student, student_auc / 100) == pytest.approx(student_aop, abs=0.01)
    assert aop(0.9, 0.4) == 0.9


def test_minimum_detectable_auc_is_found_in_four_audits_of_five() -> None:
    least = detectable_auc(300, 300, 0.05)
    shift, rng = math.sqrt(2) * norm.ppf(least), np.random.default_rng(11)
    found = np.mean([auc_p_value(Scores(*gaussian(rng, 300, shift))) < 0.05 for _ in range(400)])
    assert 0.74 <= found <= 0.86
    assert records_needed(0.05) == 524


def test_several_images_of_one_patient_do_not_count_as_several_patients() -> None:
    rng, alarms, covered, audits = np.random.default_rng(2), [], [], 300
    for _ in range(audits):
        groups = np.repeat(np.arange(60), 8)
        scores = np.repeat(rng.normal(size=60), 8) + 0.3 * rng.normal(size=480)
        members = groups < 30
        rate = auc_interval(Scores(scores, members, groups))
        covered.append(rate.low <= 0.5 <= rate.high)
        alarms.append((auc_p_value(Scores(scores, members, groups)) < 0.05, auc_p_value(Scores(scores, members)) < 0.05))
    grouped, naive = np.mean(alarms, axis=0)
    assert np.mean(covered) >= 0.91
    assert grouped <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / audits)
    assert naive > 0.15
    singles = np.arange(480)
    np.testing.assert_allclose(
        auc_interval(Scores(scores, members, singles)).low, auc_interval(Scores(scores, members)).low, atol=1e-3
    )


@pytest.mark.parametrize(
    ("scores", "members", "says"),
    [
        ([1.0, np.nan, 2.0, 3.0], [True, True, False, False], "scores must be finite"),
        ([1.0, np.inf, 2.0, 3.0], [True, True, False, False], "scores must be finite"),
        ([1.0, 2.0, 3.0], [True, True, False, False], "equally long"),
        ([1.0, 2.0, 3.0, 4.0], [True] * 4, "Got members only"),
        ([1.0, 2.0, 3.0, 4.0], [False] * 4, "Got non-members only"),
        ([1.0, 2.0, 3.0, 4.0], [0, 1, 2, 1], "must be booleans"),
        ([[1.0, 2.0]], [[True, False]], "one-dimensional"),
    ],
)
def test_unusable_scores_are_a_named_error_and_not_a_number(scores, members, says) -> None:
    with pytest.raises(AuditInputError, match=says):
        Scores(np.array(scores), np.array(members))


def test_counts_and_hits_that_make_no_sense_are_refused() -> None:
    with pytest.raises(AuditInputError, match="successes must be"):
        clopper_pearson(5, 4)
    with pytest.raises(AuditInputError, match="correct must be booleans"):
        accuracy_interval(np.array([0.5, 1.0]))
    with pytest.raises(AuditInputError, match="same images"):
        paired_difference_interval(np.array([True]), np.array([True, False]))


def test_huge_and_tiny_scores_raise_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = np.array([1e308, -1e308, 1e-308, 0.0, 5.0, -5.0])
        auc_interval(Scores(scores, halves(3, 3)))
        roc(Scores(scores, halves(3, 3)))


@pytest.mark.parametrize("n", [300, 1000])
def test_exact_tpr_test_raises_no_more_false_alarms_than_declared_and_sees_a_tail(n: int) -> None:
    rng, audits = np.random.default_rng(n), 400
    alarms = [tpr_p_value(Scores(*gaussian(rng, n)), 0.01) < 0.05 for _ in range(audits)]
    assert np.mean(alarms) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / audits)
    tied = [tpr_p_value(Scores(np.round(rng.normal(size=2 * n)), halves(n, n)), 0.05) < 0.05 for _ in range(100)]
    assert np.mean(tied) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 100)
    scores, members = gaussian(rng, n)
    scores[: n // 10] += 8
    assert tpr_p_value(Scores(scores, members), 0.01) < 1e-4
    assert tpr_p_value(Scores(scores, members), 0.0001) == 1


def test_grouped_tpr_limits_cover_where_limits_by_record_do_not() -> None:
    rng, covered, alarms, audits = np.random.default_rng(3), [], [], 100
    groups = np.repeat(np.arange(400), 8)
    members, truth = groups < 200, 0.05
    for _ in range(audits):
        scores = np.repeat(rng.normal(size=400), 8)  # all images of a patient score alike
        rates = [tpr_at_fpr(Scores(scores, members, g), truth) for g in (groups, None)]
        covered.append([r.low <= truth <= r.high for r in rates])  # type: ignore[union-attr]
        alarms.append(tpr_at_fpr(Scores(scores, members, groups), truth, 0.9).low > truth)  # type: ignore[union-attr]
    assert tpr_p_value(Scores(scores, members, groups), truth) > 0.01
    assert tpr_p_value(Scores(scores + 2 * members, members, groups), truth) < 1e-3
    grouped, naive = np.mean(covered, axis=0)
    assert grouped >= 0.95 - 0.03
    assert naive < 0.85
    assert np.mean(alarms) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / audits)


def test_groups_of_one_record_change_no_limit_and_few_groups_are_refused() -> None:
    scores, members = gaussian(np.random.default_rng(4), 500, 1.0)
    plain = tpr_at_fpr(Scores(scores, members), 0.02)
    assert close(tpr_at_fpr(Scores(scores, members, np.arange(1000)), 0.02), plain)
    refused = tpr_at_fpr(Scores(scores, members, np.arange(1000) // 10), 0.02)
    assert refused == NotResolvable(0.02, 150, "independent groups of non-members")


@pytest.mark.parametrize(("members", "non_members", "position"), [(5, 7, 2), (300, 300, 4), (5000, 4000, 41)])
def test_tail_of_members_ahead_equals_scipy_beta_binomial_and_hypergeometric(
    members: int, non_members: int, position: int
) -> None:
    from scipy.stats import betabinom, hypergeom

    from upcycle.audit.statistics._tpr import tail_ahead

    for ahead in (0, 1, 2, members // 20, members // 3, members):
        got = tail_ahead(ahead, members, position, non_members)
        assert got == pytest.approx(betabinom.sf(ahead - 1, members, position, non_members - position + 1), abs=1e-9)
        draws = ahead + position - 1
        assert got == pytest.approx(hypergeom.sf(ahead - 1, members + non_members, members, draws) if ahead else 1, rel=1e-6)
