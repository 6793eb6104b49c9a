"""A table of scores is read as the same arrays in an .npz are, and a cell that is no value is named with its row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from upcycle.audit.score_audit._read_scores import read_scores
from upcycle.audit.score_audit._targets import AttackScores, TargetScores
from upcycle.errors import AuditInputError

SCORES = [0.5, -1.25, 3e-4, 7.0]


def table(path: Path, text: str) -> Path:
    path.write_bytes(text.encode("utf-8-sig"))
    return path


@pytest.mark.parametrize(
    ("header", "yes", "no", "mark", "point"),
    [
        ("member,student/loss", "1", "0", ",", "."),
        ("member;student/loss", "True", "FALSE", ";", "."),
        ("member\tstudent/loss", "yes", "no", "\t", "."),
        ("members;student/loss", "1.0", "0.0", ";", ","),
        ("sep=;\nmember;student/loss", "in", "out", ";", ","),
    ],
)
def test_a_table_of_any_spelling_gives_the_scores_that_were_written(
    tmp_path: Path, header: str, yes: str, no: str, mark: str, point: str
) -> None:
    rows = [f"{yes if k % 2 else no}{mark}{score!r}".replace(".", point) for k, score in enumerate(SCORES)]
    rows = [row.replace(f"1{point}0{mark}", f"1.0{mark}").replace(f"0{point}0{mark}", f"0.0{mark}") for row in rows]
    found = read_scores(table(tmp_path / "scores.csv", f"{header}\n" + "\n".join(rows) + "\n\n"))
    target = found.targets["student"]
    assert isinstance(target, AttackScores)
    assert target.scores["loss"].tolist() == SCORES and target.members.tolist() == [False, True, False, True]


def test_logits_labels_groups_and_ids_of_a_table_are_those_of_its_columns(tmp_path: Path) -> None:
    header = "ids,groups,labels,member,student/logits/1,student/logits/0,teacher/logits/0,teacher/logits/1"
    rows = [f"r{k},p{k // 2},{k % 2},{k % 2},{k}.5,{-k},0,{k}" for k in range(4)]
    found = read_scores(table(tmp_path / "scores.tsv", "\n".join([header, *rows])))
    student = found.targets["student"]
    assert isinstance(student, TargetScores) and student.groups is not None and found.ids is not None
    assert student.logits.tolist() == [[-k, k + 0.5] for k in range(4)] and student.labels.tolist() == [0, 1, 0, 1]
    assert student.groups.tolist() == ["p0", "p0", "p1", "p1"] and found.ids.tolist() == ["r0", "r1", "r2", "r3"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "member,scores\n1,0.5\n0,nan\n1,\n0,x",
            "column scores must hold finite numbers. Got 'nan' in row 2, nothing in row 3, 'x' in row 4.",
        ),
        ("member,scores\n1,inf\n0,1e999", "Got 'inf' in row 1, '1e999' in row 2"),
        ("member,scores\nmaybe,1\n0,2", "column member must hold 1 or 0, true or false, yes or no. Got 'maybe' in row 1"),
        ("member,scores\n,1\n0,2", "column member .* Got nothing in row 1"),
        ("member,labels,logits/0,logits/1\n1,0.5,1,2", "column labels must hold whole numbers. Got '0.5' in row 1"),
        ("member,groups,scores\n1,,2\n0,a,1", "column groups must hold something. Got nothing in row 1"),
        ("member,labels,logits/0,logits/2\n1,0,1,2", r"columns logits/0, logits/1 ... must be one for each class. Got 0, 2"),
        ("member,scores\n1,2,3", "Got 3 cells in row 1 below 2 names"),
        ("member,scores\n1", "Got 1 cells in row 1"),
        ("member,scores,scores\n1,2,3", "Got scores twice"),
        ("member,scores", "Got no rows"),
        ("", "Got no rows"),
        ("1,0.5\n0,0.25", "must hold `member`"),
        ("member,age,scores\n1,2,3", "Got 'age'"),
    ],
)
def test_what_is_no_value_is_named_with_its_row(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(AuditInputError, match=says) as caught:
        read_scores(table(tmp_path / "scores.csv", text))
    assert all(line.isprintable() and "must" in line for line in caught.value.problems)


def test_tables_in_another_encoding_and_folders_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "wide.csv").write_bytes("member,scores\n1,2".encode("utf-16"))
    for path, says in ((tmp_path / "wide.csv", "UTF-8"), (tmp_path, "a folder"), (tmp_path / "x.csv", "not there")):
        with pytest.raises(AuditInputError, match=says):
            read_scores(path)


def test_a_table_says_what_the_arrays_say(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    member, scores = np.arange(64) % 2 == 0, rng.normal(size=64)
    np.savez(tmp_path / "s.npz", member=member, scores=scores)
    rows = "\n".join(f"{int(m)},{s!r}" for m, s in zip(member, scores.tolist(), strict=True))
    one, two = read_scores(tmp_path / "s.npz"), read_scores(table(tmp_path / "s.csv", f"member,scores\n{rows}\n"))
    for given in (one, two):
        target = given.targets["student"]
        assert isinstance(target, AttackScores)
        assert (target.scores["scores"] == scores).all() and (target.members == member).all()
