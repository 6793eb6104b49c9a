"""Figures, pictures and figures of merit: right numbers, and no crash on what a run can produce."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, norm

from upcycle.audit.statistics import Scores, roc
from upcycle.report import Neighbours, roc_band
from upcycle.report import _run_figures as figures
from upcycle.report._audit_json import attack_rows, limits, number, primary_rows
from upcycle.report._leak_figures import attack_intervals, gaps, roc_curves, utility_against_leakage
from upcycle.report._metrics import confusion, rate, recalls, reliability_bins, scores
from upcycle.report._pictures import data_uri, strips, triples
from upcycle.report._redact import without_paths
from upcycle.report._summary import strip

Decoder = Callable[[str], list[np.ndarray]]


def test_figures_of_merit_equal_their_definitions() -> None:
    labels = np.array([0, 0, 0, 1])
    logits = np.log(np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.25, 0.75]]))
    found = scores(logits, labels)
    assert found.accuracy == 0.75 and found.balanced_accuracy == pytest.approx((2 / 3 + 1) / 2)
    assert found.macro_f1 == pytest.approx((0.8 + 2 / 3) / 2) and found.auroc == 1.0
    assert confusion(logits, labels) == pytest.approx(np.array([[2 / 3, 1 / 3], [0, 1]]))
    assert [row[0] for row in recalls(logits, labels)] == pytest.approx([2 / 3, 1.0])
    confidence, accuracy, share = reliability_bins(logits, labels)
    assert (share * np.abs(confidence - accuracy)).sum() == pytest.approx(found.calibration_error)
    assert found.calibration_error == pytest.approx((abs(1.45 - 1) + 0.2 + 0.1) / 4)


@settings(max_examples=25, deadline=None)
@given(hits=st.integers(0, 30), extra=st.integers(0, 30), level=st.sampled_from([0.9, 0.95]))
def test_interval_of_a_rate_is_clopper_pearson(hits: int, extra: int, level: float) -> None:
    n = hits + extra
    value, low, high = rate(np.arange(n) < hits, level)
    if n == 0:
        assert math.isnan(value)
        return
    tail = (1 - level) / 2
    assert low == pytest.approx(0 if hits == 0 else beta.ppf(tail, hits, n - hits + 1))
    assert high == pytest.approx(1 if hits == n else beta.ppf(1 - tail, hits + 1, n - hits))


def test_class_without_test_images_costs_no_figure_of_merit() -> None:
    labels, logits = np.array([0, 0, 1]), np.eye(3)[[0, 1, 1]]
    found = scores(logits, labels)
    assert found.balanced_accuracy == pytest.approx(0.75) and found.auroc is None
    assert np.isnan(confusion(logits, labels)[2]).all() and math.isnan(recalls(logits, labels)[2][0])


def test_averages_over_few_images_are_not_shown_outside() -> None:
    labels, logits = np.array([0] * 12 + [1] * 3), np.eye(2)[[0] * 12 + [1] * 3]
    assert [math.isnan(row[0]) for row in recalls(logits, labels, smallest=10)] == [False, True]
    assert np.isnan(confusion(logits, labels, smallest=10)).all(1).tolist() == [False, True]
    assert len(reliability_bins(logits, labels, smallest=16)[0]) == 0


@pytest.mark.parametrize(
    "path",
    [
        "/srv/ward/x.npz",
        "C:\\ward\\x",
        "~/scans",
        "../scans/a",
        "scans.npz",
        "file:///srv/a",
        "see /srv/ward/x, please",
        "a=/srv/b",
    ],
)
def test_paths_do_not_leave(path: str) -> None:
    assert not any(word in without_paths(path) for word in ("srv", "ward", "scans"))


@pytest.mark.parametrize("text", ["ratio: 1/3", "lr: 0.002", "2.13.0+cpu", "Linux x86_64", "uint8 / 127.5 - 1"])
def test_settings_that_are_no_paths_are_kept(text: str) -> None:
    assert without_paths(text) == text


@pytest.mark.parametrize("value", [None, "x", float("nan"), float("inf"), [1]])
def test_value_that_is_no_number_is_missing(value: object) -> None:
    assert number(value) is None and limits((0.5, value, 0.6)) is None and limits(value) is None


def test_primary_attack_is_the_marked_one_on_clean_records() -> None:
    rows = [
        {"target": "student", "attack": "b", "primary": False},
        {"target": "student", "attack": "c", "primary": True, "population": "canary"},
        {"target": "student", "attack": "a", "primary": True, "population": "clean"},
        {"target": "teacher", "attack": "d"},
    ]
    found = primary_rows(attack_rows({"rows": rows}))
    assert {target: row.attack for target, row in found.items()} == {"student": "a", "teacher": "d"}


@settings(max_examples=50, deadline=None)
@given(
    values=st.lists(st.tuples(*[st.floats(-100, 100)] * 3).map(sorted), min_size=1, max_size=3),
    reference=st.none() | st.floats(-100, 100),
)
def test_intervals_of_the_first_screen_stay_inside_their_strip(values: list[list[float]], reference: float | None) -> None:
    found = strip({str(k): (mid, low, high) for k, (low, mid, high) in enumerate(values)}, reference)
    places = [place for mark in found.marks for place in (mark.low, mark.x, mark.high)]
    places += [] if found.reference is None else [found.reference]
    assert all(74 <= place <= 292 for place in places)
    assert all(mark.low <= mark.x <= mark.high for mark in found.marks)


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 1), (8, 8, 3), (8, 12, 3)])
def test_small_picture_is_shown_unchanged(shape: tuple[int, ...], pictures_in: Decoder) -> None:
    image = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    plane = image if image.ndim == 3 else image[..., None]
    assert np.array_equal(pictures_in(data_uri(image))[0], np.broadcast_to(plane, (*plane.shape[:2], 3)))


def test_large_pictures_do_not_swell_the_page(pictures_in: Decoder) -> None:
    image = np.random.default_rng(0).integers(0, 255, (512, 512, 3), dtype=np.uint8)
    assert pictures_in(data_uri(image))[0].shape == (96, 96, 3)


def test_strips_show_each_class_under_its_own_name_with_the_teachers_view(pictures_in: Decoder) -> None:
    images = np.arange(4, dtype=np.uint8)[:, None, None, None] * np.ones((4, 2, 2, 1), np.uint8)
    soft = np.array([[0.9, 0.1], [0.3, 0.7], [0.2, 0.8], [0.6, 0.4]])
    found = strips(["a", "b"], None, (images, np.array([0, 0, 1, 1]), soft))
    assert [s.name for s in found] == ["a", "b"] and [s.real for s in found] == [(), ()]
    assert [[p.percent for p in s.synthetic] for s in found] == [[90, 30], [80, 40]]
    assert [[p.agrees for p in s.synthetic] for s in found] == [[True, False], [True, False]]
    assert found[0].synthetic[1].note == "teacher: b 70%; a 30%"
    assert [pictures_in(p.source)[0][0, 0, 0] for s in found for p in s.synthetic] == [0, 1, 2, 3]


def test_closest_neighbours_come_first(pictures_in: Decoder) -> None:
    images = np.arange(3, dtype=np.uint8)[:, None, None, None] * np.ones((3, 2, 2, 1), np.uint8)
    nearest = Neighbours(images, images + 10, images + 20, np.array([0.3, 0.1, 0.2]), np.array([0.4, 0.5, 0.6]))
    found = triples(nearest, count=2)
    assert [(t.to_member, t.to_held_out) for t in found] == [(0.1, 0.5), (0.2, 0.6)]
    shown = [[pictures_in(source)[0].max() for source in (t.synthetic, t.member, t.held_out)] for t in found]
    assert shown == [[1, 11, 21], [2, 12, 22]]


@pytest.mark.parametrize("classes", [2, 40])
def test_figures_survive_few_and_many_classes_and_strange_names(classes: int) -> None:
    names = ["$x^{", "細胞 & <b>", *(f"a class with a rather long name {k}" for k in range(2, classes))]
    labels = np.arange(3 * classes) % classes
    logits = np.random.default_rng(0).normal(0, 1, (len(labels), classes)) + 2 * np.eye(classes)[labels]
    drawn = figures.per_class(names, {"student": recalls(logits, labels)})
    drawn += figures.confusions(names, {"student": confusion(logits, labels)})
    assert drawn.count("<svg ") == 2 and "$x^{" in drawn and "<b>" not in drawn


@pytest.mark.parametrize(
    "rows",
    [[], [{"images": 1, "loss": float("nan")}], [{"loss": 1.0}], [{"images": 0, "loss": 0.0}, {"images": 5, "loss": -1.0}]],
)
def test_learning_curves_survive_what_a_log_may_hold(rows: list[dict[str, float]]) -> None:
    assert figures.learning_curves({"student": rows}).count("<svg") <= 1


def test_roc_without_a_false_positive_is_drawn() -> None:
    assert "<svg" in roc_curves({"student": (np.array([0.0, 0.0, 1.0]), np.array([0.0, 1.0, 1.0]))})
    assert roc_curves({}) == "" and figures.stage_minutes({}) == "" and attack_intervals([]) == ""
    assert utility_against_leakage([]) == "" and gaps([]) == ""


def test_figures_take_their_colours_from_the_page() -> None:
    drawn = figures.stage_minutes({"teacher": 1.0})
    assert "var(--baseline)" in drawn and "var(--soft)" in drawn and "#0f1e" not in drawn


def test_band_of_a_roc_curve_covers_the_true_curve_as_often_as_it_says() -> None:
    """Members N(1, 1), non-members N(0, 1): the true rate at false positive rate f is 1 - Phi(Phi^-1(1 - f) - 1)."""
    rng, asked = np.random.default_rng(0), np.array([0.02, 0.1, 0.5])
    truth = norm.sf(norm.isf(asked) - 1)
    held = np.zeros(3)
    for _ in range(200):
        scores, members = np.concatenate([rng.normal(1, 1, 80), rng.normal(0, 1, 120)]), np.arange(200) < 80
        curve = roc(Scores(scores, members))
        low, high = roc_band(curve.fpr, curve.tpr, 80, 120, 0.9)
        at = np.searchsorted(curve.fpr, asked, side="right") - 1
        held += (low[at] <= truth) & (truth <= high[at])
    assert (held / 200 >= 0.88).all(), held


def test_band_of_a_roc_curve_holds_the_curve_and_narrows_with_records() -> None:
    widths = []
    for n in (50, 5000):
        rates = np.arange(n + 1) / n
        low, high = roc_band(rates, rates, n, n)
        assert (low <= rates).all() and (rates <= high).all() and (np.diff(low) >= 0).all() and (np.diff(high) >= 0).all()
        widths.append(float((high - low)[n // 2]))
    assert widths[0] > 5 * widths[1]


def test_roc_shows_its_band() -> None:
    middle = np.array([0.0, 0.5, 1.0])
    bare = roc_curves({"student": (middle, middle)})
    assert len(roc_curves({"student": (middle, middle, middle / 2, middle)})) > len(bare)


def test_confusion_difference_names_the_class_that_lost_most() -> None:
    student, baseline = np.array([[0.9, 0.1], [0.3, 0.7]]), np.array([[0.8, 0.2], [0.1, 0.9]])
    drawn = figures.confusion_difference(["cat", "dog"], student, baseline)
    assert "lowest -20.0 for dog" in drawn and "-5.0 on average" in drawn
    assert all(text in drawn for text in (">+10<", ">−10<", ">+20<", ">−20<"))
    assert figures.confusion_difference(["a"], np.full((1, 1), np.nan), np.ones((1, 1))) == ""


def test_minutes_stand_beside_their_energy() -> None:
    assert "3.0 min, 5 Wh" in figures.stage_minutes({"generator": 3.0}, {"generator": 0.005})
