"""audit-scores, audit-power and audit-selftest as a user meets them: tables, JSON, exit codes, one line per mistake."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from upcycle.audit import AuditInputError, check_audit, read_scores
from upcycle.cli._group import cli

N = 400


def call(*args: str | Path) -> Result:
    return CliRunner().invoke(cli, [*map(str, args)])


def arrays(shift: float = 0.0, **more: np.ndarray) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    member = rng.permutation(np.arange(2 * N) < N)
    return {"scores": rng.normal(size=2 * N) + shift * member, "member": member, **more}


def saved(path: Path, **values: object) -> Path:
    np.savez(path, **values)  # type: ignore[arg-type]
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "scores.npz"


def test_a_leak_is_named_with_its_figures_and_the_command_succeeds(file: Path) -> None:
    result = call("audit-scores", saved(file, **arrays(1.0)))
    assert result.exit_code == 0, result.output
    assert "student: LEAKS" in result.output
    assert "400 members, 400 non-members; primary endpoint: AUC of the scores attack on clean records" in result.output
    assert "needs 3000 non-members" in result.output
    assert not any(word in result.output.lower() for word in ("private", "immun"))


def test_several_targets_and_a_declared_endpoint_give_one_verdict_each(file: Path) -> None:
    rng, plain = np.random.default_rng(1), arrays()
    loud = rng.normal(size=2 * N) + 2.5 * plain["member"]
    saved(file, member=plain["member"], **{"student/ratio": plain["scores"], "teacher/ratio": loud, "teacher/other": loud})
    result = call("audit-scores", file, "--json", "--primary", "ratio", "--statistic", "tpr", "--population", "canary")
    assert result.exit_code == 0, result.output
    document = json.loads(result.output)
    check_audit(document)
    assert document["endpoint"]["statistic"] == "TPR@1%FPR"
    assert [(v["target"], v["verdict"]) for v in document["verdicts"]] == [("student", "INCONCLUSIVE"), ("teacher", "LEAKS")]


def test_a_failed_control_is_invalid_and_the_exit_code_says_so(file: Path) -> None:
    plain = arrays()
    saved(file, **{"student/a": plain["scores"], "blind/a": plain["member"] + 0.1 * plain["scores"]}, member=plain["member"])
    result = call("audit-scores", file)
    assert result.exit_code == 3
    assert "INVALID: 1 control(s) failed" in result.output
    assert "FAILED" in result.output


def test_logits_meet_the_five_attacks(file: Path) -> None:
    plain, rng = arrays(), np.random.default_rng(2)
    labels = rng.integers(3, size=2 * N)
    logits = rng.normal(size=(2 * N, 3)) + 2 * plain["member"][:, None] * np.eye(3)[labels]
    result = call("audit-scores", saved(file, logits=logits, labels=labels, member=plain["member"]), "--folds", "2", "--json")
    document = json.loads(result.output)
    assert document["verdict"] == "LEAKS"
    assert len(document["rows"]) == 5
    assert any(control["control"] == "blind, labels only" for control in document["controls"])


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"scores": np.zeros(4)}, "must hold `member`"),
        ({"member": np.zeros(4, dtype=bool)}, "must hold scores or logits"),
        ({"member": np.zeros(4, dtype=bool), "speed": np.zeros(4)}, "Got 'speed'"),
        ({"member": np.zeros(4, dtype=bool), "logits": np.zeros((4, 2))}, "must come with `labels`"),
        (
            {"member": np.zeros(4, dtype=bool), "scores": np.zeros(4), "logits": np.zeros((4, 2)), "labels": np.zeros(4)},
            "not both",
        ),
        ({"member": np.zeros(4, dtype=bool), "scores": np.array([None] * 4)}, "Python objects in scores, which would run code"),
        (arrays(scores=np.full(2 * N, 0.5)), "a ROC of one point"),
        (arrays(scores=np.full(2 * N, np.nan)), "must be finite. Got 800 NaN"),
        (arrays(ids=np.zeros(2 * N, dtype=int)), "ids must be members or non-members, not both"),
    ],
)
def test_unusable_files_are_named_errors(file: Path, values: dict[str, np.ndarray], says: str) -> None:
    result = call("audit-scores", saved(file, **values))
    assert isinstance(result.exception, AuditInputError)
    assert says in str(result.exception)


def test_a_file_that_is_no_npz_is_a_named_error(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("scores")
    np.save(tmp_path / "one.npy", np.zeros(3))
    for name, says in (("text.npz", "no zip archive"), ("one.npy", "one array"), ("none.npz", "not there")):
        with pytest.raises(AuditInputError, match=says):
            read_scores(tmp_path / name)


def test_the_scores_a_run_keeps_can_be_audited_again(file: Path) -> None:
    plain = arrays()
    saved(
        file,
        records=np.arange(2 * N),
        members=plain["member"],
        **{"student/loss threshold": plain["scores"], "student/risk": plain["scores"]},
    )
    given = read_scores(file)
    assert set(given.targets["student"].scores) == {"loss threshold"}  # type: ignore[union-attr]


def test_non_members_seen_in_early_stopping_are_refused_from_a_file_too(file: Path) -> None:
    plain = arrays()
    ids = np.arange(2 * N)
    saved(file, **plain, ids=ids, seen_ids=ids[~plain["member"]][:2])
    found = call("audit-scores", str(file)).exception
    assert isinstance(found, AuditInputError)
    assert "Got 2 among seen_ids" in str(found)


def test_power_prints_a_line_per_want() -> None:
    result = call("audit-power", "--auc", "0.6")
    assert result.exit_code == 0
    assert "131 records per side" in result.output
    needs = json.loads(call("audit-power", "--json").output)["needs"]
    assert {need["unit"] for need in needs} >= {"non-members", "pipelines", "canaries"}
    assert isinstance(call("audit-power", "--auc", "0.5").exception, AuditInputError)


def test_selftest_prints_every_known_answer_and_succeeds() -> None:
    result = call("audit-selftest")
    assert result.exit_code == 0, result.output
    *lines, last = result.output.splitlines()
    assert all(line.startswith("ok ") for line in lines)
    assert last == f"{len(lines)} of {len(lines)} known answers"


def test_selftest_fails_where_an_answer_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    import upcycle.audit
    from upcycle.audit.score_audit import Check

    monkeypatch.setattr(upcycle.audit, "selftest", lambda: (Check("one", "1", "2", False),))
    result = call("audit-selftest", "--json")
    assert result.exit_code == 1
    assert json.loads(result.output) == {"checks": [{"name": "one", "expected": "1", "got": "2", "passed": False}]}
