"""The three lines under a verdict: plain, graded, and with a command that works."""

from __future__ import annotations

import re
from typing import Any

import pytest

from upcycle.report import SCREENED, words


def row(**changes: Any) -> dict[str, Any]:
    base = {
        **{"target": "student", "population": "clean", "attack": "loss threshold", "primary": True, "p_holm": 1.0},
        **{"auc": 0.51, "auc_low": 0.48, "auc_high": 0.54, "tpr_p_holm": None},
        **{"tpr_at_1pct": None, "tpr_at_1pct_low": None, "tpr_at_1pct_high": None},
    }
    return {**base, **changes}


def audit(word: str, *rows: dict[str, Any]) -> dict[str, Any]:
    return {"verdict": word, "rows": list(rows)}


@pytest.mark.parametrize(
    ("rate", "area", "grade"),
    [((0.02, 0.012, 0.03), 0.53, "small but certain"), ((0.07, 0.05, 0.1), 0.62, "moderate"), ((0.6, 0.2, 0.8), 0.97, "large")],
)
def test_a_leak_is_graded_by_how_many_of_a_hundred_are_found(rate: tuple[float, float, float], area: float, grade: str) -> None:
    value, low, high = rate
    found = row(population="canary", p_holm=0.001, auc=area, auc_low=area - 0.01, auc_high=area + 0.01)
    found |= {"tpr_at_1pct": value, "tpr_at_1pct_low": low, "tpr_at_1pct_high": high}
    said = words(audit("LEAKS", row(), found), None, "run")
    assert said.grade == grade
    assert f"of 100 used records that the audit mislabelled on purpose, an attack finds {100 * value:.0f}" in said.why
    assert said.lines()[0][1].startswith(f"a {grade} leak: ")


def test_a_leak_whose_limits_hold_guessing_is_not_called_certain() -> None:
    found = row(p_holm=1.0, tpr_p_holm=0.038, auc=0.487, auc_low=0.464, auc_high=0.51)
    found |= {"tpr_at_1pct": 0.022, "tpr_at_1pct_low": 0.004, "tpr_at_1pct_high": 0.045}
    assert words(audit("LEAKS", found), None, "run").grade == "shown by a test, of open size"


def test_an_open_verdict_names_the_next_command_with_its_minutes() -> None:
    pipelines = {**audit("INCONCLUSIVE", row()), "facts": {"seconds_per_pipeline": 30.0}, "plan": {"budget": "quick"}}
    said = words(audit("INCONCLUSIVE", row()), pipelines, "my/run")
    assert "upcycle audit my/run --budget standard (about 8 min)" in said.next_step
    assert "48 to 54 times in 100" in said.why
    assert "says its minutes" in words(audit("INCONCLUSIVE", row()), None, "r").next_step


def test_what_would_have_been_seen_comes_from_the_model_made_to_remember() -> None:
    control = row(target="positive control", tpr_at_1pct=0.95, tpr_at_1pct_low=0.9, tpr_at_1pct_high=0.99, population="canary")
    said = words(audit("NO LEAK FOUND", row(), row(target="teacher"), control), None, "r")
    assert said.could_have_seen.startswith("in a model made to remember, of 100 used records that the audit mislabelled")
    assert "no attack picks the used one more than 54 times in 100" in said.why
    assert "times in 100" not in str(words(audit("INVALID", row(), row(target="teacher")), None, "r"))


def test_the_worst_record_stands_in_the_first_line_where_it_was_measured() -> None:
    measured = {"target": "student", "counted_in": "patients", "pairs": 16, "low": 0.2, "high": 0.977, "high_by_luck": 0.95}
    said = words(audit("LEAKS", row()), {**audit("LEAKS", row()), "worst": [{"target": "teacher"}, measured]}, "r")
    assert "For no single patient does this attack tell which of two models was given it more than 98 times in 100" in said.why
    assert "below about 95" in said.why
    assert (
        "For no single"
        not in words(audit("LEAKS", row()), {**audit("LEAKS", row()), "worst": [{"target": "student"}]}, "r").why
    )


def test_a_row_without_limits_is_passed_over() -> None:
    odd = {"verdict": "LEAKS", "rows": [{"target": "student", "primary": True}, "row", {"target": "teacher", "auc": None}]}
    assert words(odd, None, "r").could_have_seen.startswith("unknown")


@pytest.mark.parametrize("word", ["LEAKS", "NO LEAK FOUND", "INCONCLUSIVE", "INVALID"])
def test_every_line_is_a_sentence_that_ends(word: str) -> None:
    lines = words(audit(word, row(p_holm=0.001)), None, "r").lines()
    assert [text for _, text in lines if not text.endswith(".")] == []


def test_a_reader_of_the_internal_report_is_not_sent_to_the_internal_report() -> None:
    inside = words(audit("LEAKS", row(p_holm=0.001)), None, "RUN", persons="look at the records below").next_step
    assert "look at the records below" in inside and "report.html" not in inside


def test_no_line_uses_a_term_without_its_sentence() -> None:
    for word in ("LEAKS", "NO LEAK FOUND", "INCONCLUSIVE", "INVALID"):
        text = " ".join(text for _, text in words(audit(word, row(p_holm=0.001)), None, "r").lines())
        assert not re.findall(r"\b(AUC|TPR|FPR|T1|margin|population|clean)\b", text)


def test_a_leak_by_planted_labels_says_how_many_and_of_how_many_patients() -> None:
    test = {"target": "student", "canaries": 120, "ranked_first": 0.5625, "chance": 1 / 3}
    other = {"target": "teacher", "canaries": 120, "ranked_first": 0.99, "chance": 1 / 3}
    pipelines = {**audit("LEAKS"), "permutation": [other, test], "facts": {"patients": 6}}
    said = words(audit("LEAKS", row()), pipelines, "r")
    assert said.why.startswith(
        "of 100 records that the audit mislabelled on purpose, its answers put that label first among the wrong ones for 56"
    )
    assert "(33 by luck; 120 were planted). It rests on fewer than 10 patients." in said.why
    many = words(audit("LEAKS", row()), {**pipelines, "facts": {"patients": 43}}, "r")
    assert "It rests on 43 patients." in many.why
    assert "rests on" not in words(audit("LEAKS", row()), {**pipelines, "facts": {"patients": None}}, "r").why
    assert "planted labels show" in words(audit("LEAKS", row()), {**pipelines, "permutation": []}, "r").why


def test_a_certain_leak_is_told_by_the_figure_that_shows_it() -> None:
    found = row(
        p_holm=0.001, auc=0.54, auc_low=0.52, auc_high=0.56, tpr_at_1pct=0.03, tpr_at_1pct_low=0.0, tpr_at_1pct_high=0.06
    )
    said = words(audit("LEAKS", found), None, "r")
    assert said.lines()[0][1].startswith("a small but certain leak: of two ordinary records, one used and one not,")
    assert "54 times in 100 (52 to 56)" in said.why
    found |= {"p_holm": 0.9, "tpr_p_holm": 0.001}
    assert "finds 3 (0 to 6)" in words(audit("LEAKS", found), None, "r").why


def test_after_a_leak_the_next_step_is_one_that_was_not_taken_yet() -> None:
    leak, facts = row(p_holm=1e-6), {"reported": {SCREENED: 12.0}}
    assert "--privacy strong" in words(audit("LEAKS", leak), None, "r").next_step
    assert "--privacy strong" not in words(audit("LEAKS", leak), {**audit("LEAKS", leak), "facts": facts}, "r").next_step


def test_a_rate_no_better_than_guessing_does_not_hide_a_larger_leak() -> None:
    """A lower limit of 0.1 % won over none, and the page spoke of 51 in 100 where planted labels showed 54 in 100."""
    ordinary = row(auc=0.514, auc_low=0.508, auc_high=0.52, p_holm=0.001, tpr_at_1pct=0.01, tpr_at_1pct_low=0.001)
    planted = row(population="canary", auc=0.543, auc_low=0.521, auc_high=0.565, p_holm=0.005, tpr_at_1pct_low=0.0)
    assert "mislabelled" in words(audit("LEAKS", ordinary, planted), None, "RUN").why
