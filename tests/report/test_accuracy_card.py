"""The first card of a report must not praise a student that answers the largest class only."""

from __future__ import annotations

from typing import Any

from upcycle.report._summary import cards

ACCURACIES = {"student": (0.73, 0.63, 0.81), "baseline": (0.9, 0.83, 0.95)}
BY_CLASS: dict[str, Any] = {
    "largest": "benign",
    "largest_share": 0.73,
    "uneven": True,
    "balanced_accuracy": {"student": [0.5, 0.45, 0.55], "baseline": [0.88, 0.8, 0.95]},
    "worst_class": {"student": ["malignant", 0.0, 0.0, 0.13]},
    "never_answered": {"student": ["malignant"], "baseline": []},
}


def test_the_first_card_is_balanced_where_classes_are_uneven() -> None:
    card = cards(ACCURACIES, {"accuracy": (0.0, -1.0, 1.0)}, {}, 0.95, False, BY_CLASS)[0]
    assert card.label == "Student balanced accuracy"
    assert card.value == "50.0 %"
    assert "never answers malignant" in card.note
    assert "Always answering benign would be right for 73.0 %" in card.note


def test_an_even_accuracy_still_stands_next_to_the_largest_class() -> None:
    plain = cards(ACCURACIES, {"accuracy": (0.0, -1.0, 1.0)}, {}, 0.95, False, {**BY_CLASS, "uneven": False})[0]
    assert plain.value == "73.0 %"
    assert "Always answering benign" in plain.note


def test_the_gap_is_told_by_the_objective_of_the_run_and_by_the_others() -> None:
    gaps = {"balanced": (4.0, 1.0, 7.0), "accuracy": (-0.5, -1.5, 0.5), "auroc": (0.2, -0.3, 0.7)}
    card = cards(ACCURACIES, gaps, {}, 0.95, False, BY_CLASS)[1]
    assert card.label == "Gap to the baseline, in points of balanced accuracy"
    assert card.note.startswith("The student is above the baseline. ")
    assert "Points of accuracy: " in card.note and "Points of AUROC: " in card.note
