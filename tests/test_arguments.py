"""Arguments of another type than a public function takes are one line, never Python's own error from deep inside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import upcycle
from upcycle import Config, Upcycler, audit, data, release, report, runs
from upcycle._arguments import typed
from upcycle.errors import UpcycleError

WRONG: list[Any] = [None, 3, 2.5, b"x", ["a"], {1: 2}, (), object(), object, np.zeros(3), np.array(["a"])]
SETTINGS = Config(preset="smoke").data
DOORS: dict[str, Callable[[Any], object]] = {
    "load_student": upcycle.load_student,
    "load_program": release.load_program,
    "load": Upcycler.load,
    "check_generator": upcycle.check_generator,
    "release_run": upcycle.release_run,
    "options": lambda given: upcycle.ReleaseOptions(accept_risk=given if given is not None else 3),
    "images of options": lambda given: upcycle.ReleaseOptions(images="" if isinstance(given, int) else given),
    "preset": lambda given: Config(preset=given),
    "reader": lambda given: upcycle.register_reader(given, lambda source: source),  # type: ignore[arg-type, return-value]
    "from_torch": upcycle.from_torch,
    "run": lambda given: upcycle.run(given, "RUN", Config(preset="smoke")),
    "until": lambda given: upcycle.run("digits", "RUN", Config(preset="smoke"), until=given),
    "groups": lambda given: data.read("digits", config=SETTINGS, seed=0, groups_csv=3 if given is None else given),
    "settings": lambda given: data.read("digits", config=given, seed=0),
    "settings of arrays": lambda given: data.from_arrays(np.zeros((2, 8, 8)), np.arange(2), config=given, seed=0),
    "check": data.check,
    "prepare_images": lambda given: data.prepare_images([], given),
    "units": data.units,
    "read_scores": audit.read_scores,
    "audit_scores": lambda given: audit.audit_scores({"student": given}),
    "targets": audit.audit_scores,
    "from_sklearn": audit.from_sklearn,
    "plan_for": audit.plan_for,
    "forecast_run": lambda given: audit.forecast_run(given, given),
    "merge_audits": lambda given: audit.merge_audits(given if not isinstance(given, dict) else 3, {}),
    "check_audit": lambda given: audit.check_audit(given if not isinstance(given, dict) else 3),
    "read_run": runs.read_run,
    "render": lambda given: report.render(given, internal=True),
}


@pytest.mark.parametrize("door", DOORS)
def test_wrong_types_are_one_line(door: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for given in WRONG:
        if door == "from_sklearn" and given is None:
            continue
        with pytest.raises(UpcycleError, match=r"must .*\. Got |must name at least") as error:
            DOORS[door](given)
        assert all(line.count("\n") == 0 for line in error.value.problems)
    assert not list(tmp_path.iterdir())


def test_a_saved_model_in_no_path_is_one_line() -> None:
    with pytest.raises(UpcycleError, match=r"folder must be a path\. Got NoneType\. See help\(Upcycler\.save\)"):
        Upcycler().save(None)  # type: ignore[arg-type]
    with pytest.raises(UpcycleError, match=r"out must be a path\. Got int"):
        Upcycler(out=3)  # type: ignore[arg-type]


def test_generators_that_lack_a_part_are_named() -> None:
    with pytest.raises(UpcycleError, match=r"make must be a function of \(channels, size, classes\)"):
        upcycle.check_generator(lambda: 0)  # type: ignore[arg-type, return-value, misc]
    with pytest.raises(AssertionError, match="Got int without fit, snapshots, sample"):
        upcycle.check_generator(lambda channels, size, classes: 0)  # type: ignore[arg-type, return-value]


def test_types_that_fit_pass_and_others_are_all_named_at_once() -> None:
    @typed("left")
    def work(
        path: str | Path, count: int = 1, share: float = 0.5, left: str = "", then: Callable[[], int] | None = None
    ) -> int:
        return count

    assert work("a", np.int64(3), 1, 5) == 3  # type: ignore[arg-type]
    assert work(Path(), count=2, then=None) == 2
    with pytest.raises(UpcycleError) as error:
        work(3, "two", share="half", then=4)  # type: ignore[arg-type]
    assert [line.partition(". ")[0] for line in error.value.problems] == [
        "path must be a path",
        "count must be a whole number",
        "share must be a number",
        "then must be a function",
    ]
    with pytest.raises(TypeError, match="missing"):
        work()  # type: ignore[call-arg]


def test_scores_are_read_from_a_path_as_text(tmp_path: Path) -> None:
    members = np.arange(40) % 2 == 0
    np.savez(tmp_path / "a.npz", member=members, scores=np.arange(40.0))
    assert audit.read_scores(str(tmp_path / "a.npz")).targets.keys() == {"student"}


def test_one_flag_for_all_records_is_one_line() -> None:
    with pytest.raises(UpcycleError, match=r"student: members must have shape \(n,\)\. Got \(\)\. Give one flag per record"):
        audit.audit_scores({"student": audit.AttackScores({"x": np.array(1.0)}, np.array(True))})
