"""The one judge: right words by the one rule, honest sentences, nothing cleared that a row speaks against."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from upcycle.audit.attacks import ThreatModel
from upcycle.audit.statistics import NotResolvable, Rate
from upcycle.audit.verdict._judge import Evidence, judge
from upcycle.audit.verdict._part import Part, Role
from upcycle.audit.verdict._row import Control, Row, Wanted
from upcycle.audit.verdict._rows import adjust
from upcycle.audit.verdict._rule import MARGINS, Endpoint, Rule
from upcycle.audit.verdict._word import Verdict, headline

AREA, RATE = Endpoint("AUC", "loss threshold"), Endpoint("TPR@1%FPR", "likelihood ratio", "canary")
SEEN, UNSEEN = Rate(0.7, 0.66, 0.74), Rate(0.51, 0.47, 0.55)
LOUD, QUIET = Rate(0.9, 0.86, 0.94), Rate(0.02, 0.01, 0.05)
HIDDEN = NotResolvable(0.01, 300)
STUDENT, TEACHER = Part(Role.STUDENT, "student"), Part(Role.TEACHER, "teacher")


def row(
    endpoint: Endpoint, found: Rate | NotResolvable, *, part: Part = STUDENT, p: float = 0.5, n: int = 500, **more: object
) -> Row:
    """A primary row whose endpoint is `found`."""
    area = found if endpoint.statistic == "AUC" else Rate(0.5, 0.46, 0.54)
    tpr = HIDDEN if endpoint.statistic == "AUC" else found
    tpr_p = p if isinstance(tpr, Rate) else None
    fields = {
        "part": part,
        "threat_model": ThreatModel.LOGITS,
        "population": endpoint.population,
        "attack": endpoint.attack,
        "primary": True,
        "n_members": n,
        "n_non_members": n,
        "units": n,
        "auc": area,
        "tpr_at_1pct": tpr,
        "tpr_at_01pct": HIDDEN,
        "p_value": p,
        "tpr_p_value": tpr_p,
        "p_below": 1.0,
        "p_holm": p,
        "tpr_p_holm": tpr_p,
        "epsilon_low": 0.0,
        "epsilon_cap": 4.0,
        "epsilon_of": "one record",
        "detectable": 0.553,
    }
    return Row(**fields | more)  # type: ignore[arg-type]


def evidence(
    found: Rate | NotResolvable, teacher: Rate | NotResolvable | None, p: float = 0.5, endpoint: Endpoint = AREA, n: int = 500
) -> Evidence:
    control = None if teacher is None else row(endpoint, teacher, part=TEACHER, n=n)
    return Evidence(STUDENT, (row(endpoint, found, p=p, n=n),), (), endpoint, control, "It cannot certify others.")


CASES = [
    (evidence(Rate(0.6, 0.56, 0.64), SEEN, 0.001), "LEAKS"),
    (evidence(Rate(0.5, 0.46, 0.54), SEEN, 0.039), "LEAKS"),
    (evidence(Rate(0.5, 0.46, 0.54), SEEN, 0.041), "NO LEAK FOUND, could have seen AUC >= 0.553"),
    (evidence(Rate(0.5, 0.46, 0.55), SEEN), "INCONCLUSIVE, needs about 524 members and 524 non-members"),
    (evidence(Rate(0.5, 0.46, 0.54), UNSEEN), "INCONCLUSIVE, needs a stronger attack or canaries"),
    (evidence(Rate(0.5, 0.46, 0.54), Rate(0.58, 0.549, 0.61)), "INCONCLUSIVE, needs about 1454 records on each side"),
    (evidence(Rate(0.5, 0.46, 0.54), None), "INCONCLUSIVE, needs a teacher"),
    (evidence(Rate(0.56, 0.49, 0.6), Rate(0.49, 0.46, 0.52), n=600), "INCONCLUSIVE, needs a model that gives less away"),
    (evidence(Rate(0.52, 0.49, 0.56), SEEN, n=600), "INCONCLUSIVE, needs about 1454 records on each side at this AUC"),
    (evidence(Rate(0.40, 0.26, 0.545), SEEN, n=60), "INCONCLUSIVE, needs about 524 members and 524 non-members"),
    (evidence(Rate(0.01, 0.0, 0.029), LOUD, 0.5, RATE, 2000), "NO LEAK FOUND, could have seen TPR@1%FPR >= 0.5"),
    (evidence(Rate(0.01, 0.0, 0.031), LOUD, 0.5, RATE), "INCONCLUSIVE, needs about 1"),
    (evidence(Rate(0.01, 0.0, 0.029), QUIET, 0.5, RATE), "INCONCLUSIVE, needs a stronger attack or canaries"),
    (evidence(Rate(0.01, 0.0, 0.029), Rate(0.08, 0.02, 0.2), 0.5, RATE), "INCONCLUSIVE, needs more records"),
    (evidence(HIDDEN, HIDDEN, 0.5, RATE, 90), "INCONCLUSIVE, needs 300 non-members"),
]


@pytest.mark.parametrize(("case", "line"), CASES)
def test_verdict_follows_the_declared_rules_and_promises_nothing(case: Evidence, line: str) -> None:
    verdict = judge(case, [], Rule())
    assert verdict.line.startswith(line)
    assert verdict.verdict == line.split(",")[0]
    assert "Power:" in verdict.sentence
    assert "cannot certify" in verdict.sentence
    for word in ("private", "immun", "safe", "guarantee"):
        assert word not in f"{verdict.line} {verdict.sentence}".lower()


def test_there_is_one_margin_for_every_statistic() -> None:
    assert dict(MARGINS) == {"AUC": 0.55, "TPR@1%FPR": 0.03}
    assert (AREA.margin, RATE.margin) == (0.55, 0.03)


@pytest.mark.parametrize(
    ("wanted", "rate", "failed"),
    [
        (Wanted.CHANCE, Rate(0.6, 0.55, 0.65), True),
        (Wanted.CHANCE, Rate(0.5, 0.45, 0.55), False),
        (Wanted.LEAK, Rate(0.5, 0.45, 0.55), True),
        (Wanted.LEAK, Rate(0.6, 0.55, 0.65), False),
        (Wanted.POWER, Rate(0.5, 0.45, 0.55), False),
    ],
)
def test_a_control_that_must_hold_makes_every_word_invalid_and_a_teacher_that_hides_does_not(
    wanted: Wanted, rate: Rate, failed: bool
) -> None:
    controls = [Control("a control", "student", "loss threshold", wanted, rate)]
    for case, line in CASES:
        verdict = judge(case, controls, Rule())
        assert (verdict.verdict == "INVALID") == failed
        assert failed or verdict.line.startswith(line)
    refused = replace(CASES[0][0], rows=(), refused="student: the same answer for every record.")
    assert judge(refused, controls, Rule()).verdict == ("INVALID" if failed else "INCONCLUSIVE")


def test_the_primary_attack_on_other_records_forbids_a_clean_word() -> None:
    """A limit above chance in a row that the reader sees, at its share of the error, though no test says LEAKS."""
    clean = CASES[10][0]
    assert judge(clean, [], Rule()).verdict == "NO LEAK FOUND"
    other = row(
        RATE,
        Rate(0.034, 0.024, 0.05),
        primary=False,
        population="clean",
        p=0.5,
        tpr_p_value=0.001,
        tpr_p_holm=0.06,
        detectable=None,
    )
    verdict = judge(replace(clean, rows=(*clean.rows, other)), [], Rule())
    assert verdict.verdict == "INCONCLUSIVE"
    assert "0.034 [0.024, 0.050] on clean records, whose lower limit is above chance" in verdict.sentence


def test_a_teacher_found_entirely_counts_although_few_records_lift_no_limit() -> None:
    """Sixty canaries of which each scores alike in all pipelines leave the limits at 0 and 1, however surely they are found."""
    clean = CASES[10][0]
    loud = row(RATE, Rate(1.0, 0.0, 1.0), part=TEACHER, units=60, p=1e-9, epsilon_cap=0.0)
    assert judge(replace(clean, control=loud), [], Rule()).verdict == "NO LEAK FOUND"
    for weaker in (replace(loud, units=60, tpr_at_1pct=Rate(0.05, 0.0, 1.0)), replace(loud, p_holm=0.5)):
        assert judge(replace(clean, control=weaker), [], Rule()).verdict == "INCONCLUSIVE"


def test_shares_of_the_error_are_as_the_rule_says_and_pass_on_what_is_not_needed() -> None:
    rows = [
        row(RATE, Rate(0.02, 0.01, 0.03), p_value=0.9, tpr_p_value=0.01),
        row(RATE, HIDDEN, primary=False, population="clean", p_value=0.01, tpr_p_value=None),
        row(RATE, HIDDEN, primary=False, attack="another", p_value=0.01, tpr_p_value=None),
    ]
    done, _ = adjust(rows, (), RATE, Rule())
    assert done[0].tpr_p_holm == pytest.approx(0.01 / 0.5)
    assert done[2].p_holm == pytest.approx(0.01 / 0.25 * 0.5)  # the half was passed on
    assert done[1].p_holm == pytest.approx(0.01 / 0.125 * 0.25)  # it shares a quarter with the AUC of the primary row
    assert done[0].p_holm == 0.9
    assert done[1].tpr_p_holm is None
    alone, _ = adjust(rows[2:], (), RATE, Rule())
    assert alone[0].p_holm == 0.01


def test_the_family_errs_as_often_as_its_level() -> None:
    rng, rule, alarms = np.random.default_rng(0), Rule(), []
    for _ in range(400):
        p = rng.random((8, 2))
        rows = [row(RATE, QUIET, primary=k == 0, attack=f"a{k // 3}", p_value=a, tpr_p_value=b) for k, (a, b) in enumerate(p)]
        done, _ = adjust([replace(r, attack=RATE.attack) if k < 3 else r for k, r in enumerate(rows)], (), RATE, rule)
        alarms.append(min(min(r.p_holm, r.tpr_p_holm or 1.0) for r in done) < rule.level)
    assert np.mean(alarms) <= rule.level + 3 * 0.0098


def test_a_model_that_was_made_to_leak_never_leads() -> None:
    made = [
        Verdict(role.value, role, word, word, word, 0.5)
        for role, word in ((Role.CONTROL, "LEAKS"), (Role.SYNTHETIC, "INCONCLUSIVE"))
    ]  # type: ignore[arg-type]
    assert headline(made).verdict == "INCONCLUSIVE"
