"""What a receiver finds: a whole release is fine, and whatever was changed on the way is wrong."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from tests.release.conftest import drawn, light, made_of
from upcycle._checksums import write_checksums
from upcycle.audit import AttackScores, audit_scores
from upcycle.audit.copies import distance_histogram
from upcycle.cli.verify import verify
from upcycle.errors import ReleaseError
from upcycle.release import verify_release, write_release

COUNT = 60


def faint(labels: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Noise of many contrasts, so that distances differ."""
    return (drawn(labels, numbers) * ((numbers % 16 + 1) / 16)[:, None, None, None]).astype(np.uint8)


def words(folder: Path) -> dict[str, str]:
    """The worst word of every check."""
    order = ("fine", "not checked", "look", "wrong")
    found = verify_release(folder).findings
    return {f.check: max((g.word for g in found if g.check == f.check), key=order.index) for f in found}


@pytest.fixture(scope="module")
def audited() -> dict[str, object]:
    rng = np.random.default_rng(0)
    scores = AttackScores({"loss": rng.normal(size=400)}, np.arange(400) < 200)
    found = audit_scores({"student": scores}, seed=1).to_json()
    del found["plan"]["seed"]  # as what leaves
    return found


@pytest.fixture
def release(tmp_path: Path, audited: dict[str, object]) -> Path:
    sides = [faint(np.full(64, 9), np.arange(64) + first) for first in (0, 64)]
    made = replace(made_of(audit=audited, draw=faint), compare=lambda images: distance_histogram(images, *sides))
    write_release(tmp_path / "release", made, light(images=COUNT, formats=("npz", "folders", "webdataset"), torch_export=True))
    return tmp_path / "release"


def test_a_whole_release_is_fine(release: Path) -> None:
    found = verify_release(release)
    assert not found.wrong, "\n".join(found.lines())
    assert words(release) == {
        "checksums": "fine",
        "evidence": "look",
        "student": "fine",
        "synthetic": "fine",
        "distances": "fine",
    }
    assert sum(f"{COUNT} images load" in line for line in found.lines()) == 3
    result = CliRunner().invoke(verify, [str(release), "--json"])
    facts = json.loads(result.stdout)
    assert result.exit_code == 0
    assert (facts["kind"], facts["wrong"]) == ("verification", False)
    assert [asdict(f) for f in found.findings] == facts["findings"]


def test_a_changed_file_is_wrong_and_the_exit_code_says_so(release: Path) -> None:
    (release / "MODEL_CARD.md").write_text("better")
    assert words(release)["checksums"] == "wrong"
    assert CliRunner().invoke(verify, [str(release)]).exit_code == 3


def test_another_set_than_the_one_that_was_measured_is_wrong(release: Path) -> None:
    made = made_of(draw=lambda labels, numbers: drawn(labels, numbers) // 2 + 64)
    write_release(release.parent / "other", made, light(images=COUNT, formats=("npz",)))
    (release / "synthetic/synthetic.npz").write_bytes((release.parent / "other/synthetic/synthetic.npz").read_bytes())
    for name in ("folders", "webdataset"):
        (release / "synthetic" / name).rename(release.parent / name)
    write_checksums(release)
    found = words(release)
    assert (found["checksums"], found["synthetic"], found["distances"]) == ("fine", "fine", "wrong")


def test_a_set_that_copies_its_members_is_wrong(tmp_path: Path, audited: dict[str, object]) -> None:
    members, held_out = (drawn(np.full(80, 9), np.arange(80) + first) for first in (0, 80))
    made = made_of(
        audit=audited,
        draw=lambda labels, numbers: np.clip(
            members[numbers % 80].astype(int) + 1 + numbers[:, None, None, None] % 5, 0, 255
        ).astype(np.uint8),
        compare=lambda images: distance_histogram(images, members, held_out),
    )
    write_release(tmp_path / "release", made, light(images=160))
    assert words(tmp_path / "release")["distances"] == "wrong"


@pytest.mark.parametrize("damage", ["audit.json", "student/config.json", "synthetic/synthetic.npz", "synthetic/distances.json"])
def test_a_file_of_nonsense_is_one_line_and_no_traceback(damage: str, release: Path) -> None:
    (release / damage).write_bytes(b"{]")
    result = CliRunner().invoke(verify, [str(release)])
    assert result.exit_code == 3
    assert not isinstance(result.exception, UnicodeError | ValueError)


def test_a_folder_that_is_no_release_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="release must be a folder with"):
        verify_release(tmp_path)
