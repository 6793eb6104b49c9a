"""The whole audit: right words, honest sentences, controls that bite, faults that are named."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from upcycle.audit.attacks import ESTIMATORS
from upcycle.audit.documents import audit_schema, check_audit
from upcycle.audit.score_audit._audit import audit_scores
from upcycle.audit.score_audit._result import AuditResult
from upcycle.audit.score_audit._targets import AttackScores, TargetScores
from upcycle.audit.statistics import NotResolvable, Rate
from upcycle.audit.verdict import Endpoint
from upcycle.errors import AuditInputError

N, CLASSES = 150, 4


def target(rng: np.random.Generator, leak: float, members: np.ndarray, groups: np.ndarray | None = None) -> TargetScores:
    labels = np.arange(len(members)) % CLASSES
    logits = rng.normal(size=(len(members), CLASSES))
    logits[np.arange(len(members)), labels] += 2 + leak * members
    return TargetScores(logits.astype(np.float32), labels, members, groups)


def coin(n: int = N, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).permutation(np.arange(2 * n) < n)


def targets(student: float, teacher: float, members: np.ndarray | None = None, seed: int = 1) -> dict[str, TargetScores]:
    rng, flags = np.random.default_rng(seed), coin() if members is None else members
    return {
        "student": target(rng, student, flags),
        "baseline": target(rng, teacher, flags),
        "teacher": target(rng, teacher, flags),
    }


@pytest.fixture(scope="module")
def leaking() -> AuditResult:
    return audit_scores(targets(1.5, 1.5), seed=3)


def test_a_leaking_student_leaks(leaking: AuditResult) -> None:
    assert leaking.verdict == "LEAKS"
    assert "Holm-adjusted" in leaking.sentence
    assert [v.verdict for v in leaking.verdicts] == ["LEAKS"] * 3


def test_five_attacks_meet_each_target_with_limits_around_each_estimate(leaking: AuditResult) -> None:
    assert len(leaking.rows) == 15
    models = {row.part.name: row.threat_model for row in leaking.rows}
    assert models == {"student": "T1", "baseline": "T1", "teacher": "T5"}
    for row in leaking.rows:
        assert row.auc.low <= row.auc.value <= row.auc.high
        assert (row.n_members, row.n_non_members, row.population) == (N, N, "clean")
        assert row.tpr_at_1pct == NotResolvable(0.01, 300)
        assert row.tpr_at_01pct == NotResolvable(0.001, 3000)
        assert row.p_value <= row.p_holm <= 1
    assert [row.primary for row in leaking.rows].count(True) == 3


def test_a_clean_student_next_to_a_leaking_teacher_is_clean_and_says_what_it_could_have_seen() -> None:
    members = coin(900)
    rng = np.random.default_rng(6)
    both = {"student": target(rng, 0.0, members), "teacher": target(rng, 1.5, members)}
    result = audit_scores(both, folds=3)
    assert result.verdict == "NO LEAK FOUND"
    for piece in ("on the teacher", "900 members and 900 non-members", "80 % of audits", "cannot certify the worst-case"):
        assert piece in result.sentence
    assert isinstance(result.row("student").tpr_at_1pct, Rate)


@pytest.mark.parametrize(("teacher", "reason"), [(1.5, "524 members and 524 non-members"), (0.0, "teacher")])
def test_a_small_or_powerless_audit_is_inconclusive_and_says_how_many_records_it_needs(teacher: float, reason: str) -> None:
    result = audit_scores(targets(0.0, teacher, coin(60, 2), seed=4), folds=2, seed=1)
    assert result.verdict == "INCONCLUSIVE"
    assert reason in result.sentence


def test_without_a_teacher_nothing_is_called_clean() -> None:
    result = audit_scores({"student": targets(0.0, 0.0, coin(700, 1))["student"]}, folds=2)
    assert result.verdict == "INCONCLUSIVE"
    assert "no teacher was given" in result.sentence


def test_a_difference_between_the_halves_that_no_model_made_is_invalid() -> None:
    members = coin()
    images = np.random.default_rng(0).integers(0, 200, (2 * N, 8, 8, 1), dtype=np.uint8)
    honest = audit_scores(targets(1.5, 1.5, members), images=images, folds=3)
    assert honest.verdict == "LEAKS"
    images[members] += 30  # the members came from a brighter scanner
    biased = audit_scores(targets(1.5, 1.5, members), images=images, folds=3)
    assert biased.verdict == "INVALID"
    assert "blind, images and labels" in biased.sentence


def test_members_of_other_classes_than_non_members_are_invalid_even_without_images() -> None:
    rng, members = np.random.default_rng(0), coin()
    labels = np.where(members, rng.integers(0, 2, 2 * N), rng.integers(2, 4, 2 * N))
    logits = rng.normal(size=(2 * N, CLASSES))
    result = audit_scores({"student": TargetScores(logits, labels, members)}, folds=3)
    assert result.verdict == "INVALID"
    assert [c.control for c in result.controls if not c.passed] == ["blind, labels only"]


def test_controls_run_for_every_target_and_the_teacher_is_the_positive_one(leaking: AuditResult) -> None:
    names = {(c.control, c.target) for c in leaking.controls}
    for name in ("student", "baseline", "teacher"):
        assert ("non-members vs non-members", name) in names
        assert ("shuffled membership", name) in names
    assert all(c.passed for c in leaking.controls)
    assert leaking.controls[-1].control == "positive: teacher"


def test_json_carries_schema_and_no_record_while_arrays_carry_scores_and_risk(leaking: AuditResult) -> None:
    text = json.dumps(leaking.to_json())
    data = json.loads(text)
    assert (data["schema"], data["schema_version"]) == ("upcycle-audit/3", 3)
    assert data["verdict"] == "LEAKS"
    assert {row["verdict"] for row in data["rows"]} == {"LEAKS"}
    lengths = [len(v) for v in _lists(data)]
    assert 2 * N not in lengths
    assert N not in lengths
    arrays = leaking.scores_arrays()
    assert set(arrays) == {
        f"{t}/{a}" for t in ("student", "baseline", "teacher") for a in ("loss threshold", "risk", *ESTIMATORS)
    }
    assert all(values.shape == (2 * N,) for values in arrays.values())
    risk = arrays["student/risk"]
    assert ((risk >= 0) & (risk <= 1)).all()
    assert risk[coin()].mean() > risk[~coin()].mean() + 0.1


def _lists(value: object) -> list[list[object]]:
    if isinstance(value, dict):
        return [found for item in value.values() for found in _lists(item)]
    if isinstance(value, list):
        return [value, *(found for item in value for found in _lists(item))]
    return []


def test_one_line_says_the_result(leaking: AuditResult) -> None:
    line = str(leaking)
    assert line.startswith("LEAKS: student loss threshold AUC 0.")
    assert "\n" not in line


def test_same_seed_gives_the_same_audit(leaking: AuditResult) -> None:
    assert audit_scores(targets(1.5, 1.5), seed=3).to_json() == leaking.to_json()


def test_no_output_ever_promises_more_than_was_seen(leaking: AuditResult) -> None:
    text = f"{leaking} {json.dumps(leaking.to_json())}".lower()
    for word in ("private", "immun", "safe", "guarantee"):
        assert word not in text


def ignorant(rng: np.random.Generator, members: np.ndarray) -> AttackScores:
    """Three attacks that know nothing; the third half repeats the first."""
    one, two, other = rng.normal(size=(3, len(members)))
    return AttackScores({"one": one, "two": two, "three": one + other}, members)


@pytest.mark.parametrize("endpoint", [Endpoint("AUC", "one"), Endpoint("TPR@1%FPR", "two", "canary")])
def test_false_verdict_of_a_leak_is_rare_on_clean_students(endpoint: Endpoint) -> None:
    """The whole audit of given scores: tests on AUC and TPR of three attacks, correction, controls, verdict."""
    rng, members, audits = np.random.default_rng(9), np.arange(800) < 400, 120
    words = [audit_scores({"student": ignorant(rng, members)}, endpoint=endpoint, seed=k).verdict for k in range(audits)]
    assert words.count("LEAKS") / audits <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / audits)
    assert words.count("INVALID") / audits <= 0.02
    assert words.count("NO LEAK FOUND") == 0


def given(rng: np.random.Generator, members: np.ndarray, shift: float) -> AttackScores:
    return AttackScores({"likelihood ratio": rng.normal(size=len(members)) + shift * members}, members)


def test_scores_of_attacks_run_elsewhere_get_the_same_rows_controls_and_verdict() -> None:
    rng, members = np.random.default_rng(1), coin(1500)
    both = {"student": given(rng, members, 0.0), "teacher": given(rng, members, 2.0)}
    plan = Endpoint("TPR@1%FPR", "likelihood ratio", "canary")
    clean = audit_scores(both, endpoint=plan)
    assert clean.line.startswith("NO LEAK FOUND, could have seen TPR@1%FPR >= 0.02")
    assert clean.row("student").population == "canary"
    assert clean.row("teacher").tpr_at_1pct.value > 0.3
    assert clean.row("teacher").epsilon_low > 1
    assert clean.row("student").epsilon_low < 0.2 < 5 < clean.row("student").epsilon_cap
    leaking = audit_scores({"student": given(rng, members, 0.6)}, endpoint=plan)
    assert leaking.line == "LEAKS"


def test_a_leak_only_in_the_tail_is_found_by_the_tpr_and_not_by_the_auc() -> None:
    rng, members = np.random.default_rng(2), coin(1000)
    scores = rng.normal(size=2000)
    scores[np.flatnonzero(members)[:60]] += 6  # six members in a hundred are fully exposed
    result = audit_scores({"student": AttackScores({"ratio": scores}, members)})
    row = result.row("student")
    assert result.verdict == "LEAKS"
    assert row.tpr_p_holm < 1e-6 < row.p_holm


def test_a_blind_baseline_that_knows_membership_makes_the_audit_invalid() -> None:
    rng, members = np.random.default_rng(3), coin(300)
    student = given(rng, members, 0.0)
    assert audit_scores({"student": student, "blind": given(rng, members, 0.0)}).verdict != "INVALID"
    biased = audit_scores({"student": student, "blind": given(rng, members, 1.0)})
    assert (biased.verdict, biased.line) == ("INVALID", "INVALID: 1 control(s) failed")
    assert {row.part.name for row in biased.rows} == {"student"}
    with pytest.raises(AuditInputError, match="next to the blind baseline"):
        audit_scores({"blind": student})


def test_groups_count_as_one_in_the_tpr_and_in_epsilon() -> None:
    rng = np.random.default_rng(4)
    groups = np.repeat(np.arange(400), 5)
    members = groups < 200
    scores = np.repeat(rng.normal(size=400), 5) + members
    row = audit_scores({"student": AttackScores({"ratio": scores}, members, groups)}).row("student")
    assert str(row.tpr_at_1pct) == "needs 300 independent groups of non-members"
    assert row.epsilon_cap < 4  # of 100 groups, not of 500 records


def test_audit_json_follows_its_schema_and_nothing_else_does(leaking: AuditResult) -> None:
    document = json.loads(json.dumps(leaking.to_json()))
    check_audit(document)
    schema = audit_schema()
    assert schema["$id"] == document["schema"]
    assert set(document) == set(schema["properties"])
    for broken_field in ({"verdict": "SAFE"}, {"schema": "upcycle-audit/2"}, {"extra": 1}):
        with pytest.raises(ValueError, match="validation error"):
            check_audit({**document, **broken_field})


def test_patients_are_the_unit_when_groups_are_given() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(80), 4)
    members = np.isin(groups, rng.permutation(80)[:40])
    both = {name: target(rng, 1.5, members, groups) for name in ("student", "teacher")}
    result = audit_scores(both, folds=4)
    assert result.verdict == "LEAKS"
    assert all(c.passed for c in result.controls)


def broken(**changes: object) -> dict[str, TargetScores]:
    good = target(np.random.default_rng(0), 0.0, coin(30))
    fields = {"logits": good.logits, "labels": good.labels, "members": good.members, "groups": None} | changes
    return {"student": TargetScores(**fields)}  # type: ignore[arg-type]


GOOD = target(np.random.default_rng(0), 0.0, coin(30))
NAN = np.where(np.arange(60)[:, None] == 7, np.nan, GOOD.logits)


@pytest.mark.parametrize(
    ("case", "says"),
    [
        ({}, "targets must name at least one model"),
        (broken(logits=NAN), "student: logits must be finite. Got NaN or infinity in 1 of 60 rows"),
        (broken(labels=GOOD.labels[1:]), "student: labels must have shape"),
        (broken(members=GOOD.members[1:]), "student: members must have shape"),
        (broken(members=np.ones(60, dtype=bool)), "Got members only"),
        (broken(members=np.arange(60) < 5), "at least 16 records on each side"),
        (broken(groups=np.arange(30)), "student: groups must have shape"),
        (broken(groups=np.arange(60) % 30), "wholly among the members or the non-members"),
        (broken(groups=GOOD.members.astype(int)), "groups must number at least 2 on each side"),
        (
            broken() | {"teacher": target(np.random.default_rng(0), 0.0, coin(30, 8))},
            "teacher: labels, members and groups must equal",
        ),
    ],
)
def test_unusable_targets_are_named_errors(case: dict[str, TargetScores], says: str) -> None:
    with pytest.raises(AuditInputError) as caught:
        audit_scores(case)
    assert says in str(caught.value)


def attack(**changes: object) -> dict[str, AttackScores]:
    fields = {"scores": {"ratio": np.arange(60.0)}, "members": coin(30), "groups": None} | changes
    return {"student": AttackScores(**fields)}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("case", "says"),
    [
        (attack(scores={}), "student: scores must hold at least one attack"),
        (
            attack(scores={"ratio": np.full(60, 2.0)}),
            "scores of ratio must differ between records: one value is a ROC of one point",
        ),
        (attack(scores={"ratio": np.where(np.arange(60) == 3, np.nan, 0.0)}), "scores of ratio must be finite. Got 1 NaN"),
        (attack(scores={"ratio": np.arange(59.0)}), "scores of ratio must be numbers of shape (60,)"),
        (attack(scores={"ratio": np.array(["a"] * 60)}), "scores of ratio must be numbers"),
        (attack(members=np.ones(60, dtype=bool)), "Got members only"),
        (attack(groups=np.arange(60) % 30), "wholly among the members or the non-members"),
        (attack() | {"teacher": AttackScores({"ratio": np.arange(60.0)}, coin(30, 8))}, "teacher: labels, members and groups"),
        (attack() | {"teacher": AttackScores({"other": np.arange(60.0)}, coin(30))}, "Got teacher without"),
    ],
)
def test_unusable_attack_scores_are_named_errors(case: dict[str, AttackScores], says: str) -> None:
    with pytest.raises(AuditInputError) as caught:
        audit_scores(case)
    assert says in str(caught.value)


def test_an_endpoint_that_does_not_exist_is_refused() -> None:
    with pytest.raises(AuditInputError, match="statistic must be one of AUC"):
        Endpoint("accuracy", "ratio")  # type: ignore[arg-type]
    with pytest.raises(AuditInputError, match="primary attack 'nothing'"):
        audit_scores(attack(), endpoint=Endpoint("AUC", "nothing"))


def test_a_record_on_both_sides_or_twice_is_refused() -> None:
    members = broken()["student"].members
    ids = np.arange(60)
    ids[np.flatnonzero(members)[0]] = ids[np.flatnonzero(~members)[0]]
    with pytest.raises(AuditInputError, match="not both"):
        audit_scores(broken(), ids=ids)
    ids = np.arange(60)
    ids[np.flatnonzero(members)[0]] = ids[np.flatnonzero(members)[1]]
    with pytest.raises(AuditInputError, match="ids must be unique"):
        audit_scores(broken(), ids=ids)


def test_an_image_on_both_sides_is_refused_also_without_ids() -> None:
    members, images = coin(60), np.random.default_rng(0).integers(0, 256, (120, 4, 4, 1), dtype=np.uint8)
    student = {"student": target(np.random.default_rng(0), 0.0, members)}
    audit_scores(student, images=images)
    images[~members][:1] = 0
    images[np.flatnonzero(~members)[:30]] = images[np.flatnonzero(members)[:30]]
    with pytest.raises(AuditInputError, match=r"images must be of members or of non-members, not both. Got 30"):
        audit_scores(student, images=images)


@pytest.mark.parametrize("statistic", ["AUC", "TPR@1%FPR"])
@pytest.mark.parametrize("attacks", [1, 3])
def test_scores_the_wrong_way_round_are_said_to_be_so_and_never_cleared(statistic: str, attacks: int) -> None:
    rng, members = np.random.default_rng(0), np.arange(2000) < 1000

    def loud(sign: float) -> AttackScores:
        found = {
            f"attack {k}": rng.normal(size=2000) * (1 if k else 0.5) + (sign * 2 * members if not k else 0)
            for k in range(attacks)
        }
        return AttackScores(found, members)

    plan = Endpoint(statistic, "attack 0")  # type: ignore[arg-type]
    turned = audit_scores({"student": loud(-1), "teacher": loud(1)}, endpoint=plan)
    assert turned.verdict == "INVALID"
    assert "the wrong way round" in turned.line and "Turn the scores or flags" in turned.sentence
    both = audit_scores(
        {"student": AttackScores({"attack 0": rng.normal(size=2000)}, members), "teacher": loud(-1)}, endpoint=plan
    )
    assert both.verdict == "INCONCLUSIVE"
    assert "the teacher's scores the right way round" in both.line


def test_a_second_attack_the_wrong_way_round_is_no_clean_bill() -> None:
    rng, members = np.random.default_rng(0), np.arange(2000) < 1000
    scores = {"loss": rng.normal(size=2000), "other": rng.normal(size=2000) - 2 * members}
    teacher = AttackScores({name: rng.normal(size=2000) + 2 * members for name in scores}, members)
    assert audit_scores({"student": AttackScores(scores, members), "teacher": teacher}).verdict == "INVALID"


def test_probabilities_handed_over_as_logits_are_recognised_and_said() -> None:
    both = targets(1.5, 1.5)
    soft = {
        name: TargetScores(np.exp(t.logits) / np.exp(t.logits).sum(1, keepdims=True), t.labels, t.members)
        for name, t in both.items()
    }
    found, plain = audit_scores(soft, folds=3), audit_scores(both, folds=3)
    assert "student: what was given as logits are probabilities; their logarithms were used." in found.notes
    assert found.row("student").auc.value == pytest.approx(plain.row("student").auc.value, abs=1e-6)
    assert not any("probabilities" in note for note in plain.notes)


def test_a_blind_control_without_images_says_what_it_cannot_see(leaking: AuditResult) -> None:
    assert any(note.startswith("no images were given") for note in leaking.notes)


@pytest.mark.parametrize(("ones", "members"), [(6, 36), (12, 36), (20, 36), (4, 200), (12, 200)])
def test_two_valued_scores_without_a_leak_alarm_no_more_often_than_declared(ones: int, members: int) -> None:
    words, flags = [], np.arange(400) < members
    for k in range(60):
        scores = (np.random.default_rng(k).permutation(400) < ones).astype(float)
        words.append(audit_scores({"student": AttackScores({"gap": scores}, flags)}, seed=k).verdict)
    assert words.count("INVALID") <= 1
    assert words.count("LEAKS") <= 8  # of 60 at 5 %: once in 800 times more


def test_thirty_records_are_cleared_by_no_luck() -> None:
    """An estimate far below chance brings the limit below the margin, which one at chance could not."""
    flags, words = np.arange(60) < 30, []
    for k in range(60):
        rng = np.random.default_rng(k)
        teacher = AttackScores({"a": rng.normal(size=60) + 3 * flags}, flags)
        words.append(audit_scores({"student": AttackScores({"a": rng.normal(size=60)}, flags), "teacher": teacher}).verdict)
    assert words.count("NO LEAK FOUND") == 0


def test_non_members_that_were_seen_in_early_stopping_are_refused() -> None:
    members, ids = coin(60), np.arange(120) + 100
    student = {"student": target(np.random.default_rng(0), 0.0, members)}
    audit_scores(student, ids=ids, seen_ids=np.append(ids[members], 7))
    with pytest.raises(AuditInputError, match=r"non-members must not have been seen.* Got 3 among seen_ids"):
        audit_scores(student, ids=ids, seen_ids=ids[~members][:3])
    with pytest.raises(AuditInputError, match="seen_ids must come with the ids"):
        audit_scores(student, seen_ids=ids[~members])


def test_folds_too_small_to_learn_from_are_a_named_error() -> None:
    with pytest.raises(AuditInputError, match="the first of 5 folds must hold at least 15 records"):
        audit_scores(broken())


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(AuditInputError) as caught:
        audit_scores(broken(logits=NAN, members=np.ones(60, dtype=bool)), images=np.zeros((3, 2, 2, 1)), ids=np.zeros(2))
    assert len(caught.value.problems) == 4
    with pytest.raises(AuditInputError, match=r"(?s)folds.*confidence"):
        audit_scores(broken(), folds=1, confidence=1.5)


def test_auditing_given_scores_needs_neither_torch_nor_scikit_learn() -> None:
    code = """
import sys, numpy as np
from upcycle.audit import AttackScores, audit_scores
rng = np.random.default_rng(0)
audit_scores({"student": AttackScores({"ratio": rng.normal(size=800)}, np.arange(800) < 400)})
print([m for m in ("torch", "sklearn", "matplotlib") if m in sys.modules])
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_importing_the_audit_loads_nothing_heavy() -> None:
    code = "import sys, upcycle.audit; print([m for m in ('torch', 'sklearn', 'scipy', 'matplotlib') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
