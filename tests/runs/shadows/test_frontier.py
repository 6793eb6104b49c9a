"""The frontier: recipes that share stages are the recipes run alone, and a killed call goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import upcycle.runs.shadows._frontier as room
from tests.conftest import blobs
from tests.runs.shadows.thin import thin
from upcycle._settings import resolve, with_settings
from upcycle.audit.pipelines import RunFacts
from upcycle.data import Dataset, ImageSet
from upcycle.errors import ConfigError, RunFolderError
from upcycle.runs.shadows import (
    BUNDLES,
    Design,
    DesignPipeline,
    FrontierPlan,
    ShadowPipeline,
    frontier,
)
from upcycle.runs.shadows._designs import LEFT_OUT
from upcycle.runs.shadows._frontier_rows import accuracies, mostly_left_out

pytestmark = pytest.mark.usefixtures("_thin")
BASE = resolve("quick", config_file=None, overrides=["augment.flip=none", "screen.images=6000", "generator.snapshots=1"])
SCALE = 0.02


@pytest.fixture(scope="module")
def _thin() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("upcycle.runs.shadows._designs.shadow_config", thin)
        yield


def images(n: int, seed: int = 0) -> ImageSet:
    found, labels = blobs(n, seed=seed)
    return ImageSet(found[..., None], labels)


def pipeline(
    settings: dict[str, object], *, stages: Path | None = None, control: bool = False, **more: object
) -> DesignPipeline:
    given = {"validation": images(60, seed=4), "base": BASE, "scale": SCALE, **more}
    private = {name: given.pop(name, None) for name in ("noise", "epsilon", "formal")}
    return DesignPipeline(
        given["validation"],
        3,
        given["base"],
        Design("any", settings, **private),
        control,
        given["scale"],
        stages,  # type: ignore[arg-type]
    )


@pytest.mark.slow
def test_a_design_that_borrows_stages_is_the_recipe_run_alone(tmp_path: Path) -> None:
    members, settings = images(120), {"screen.folds": 3, "student.temperature": 1.0}
    pipeline({"screen.folds": 3}, stages=tmp_path)(members.images, members.labels, seed=3)
    before = {path.name for path in tmp_path.glob("*/*")}
    borrowed = pipeline(settings, stages=tmp_path)(members.images, members.labels, seed=3)
    assert {path.name.partition("-")[0] for path in tmp_path.glob("*/*") if path.name not in before} == {"student"}
    validation = images(60, seed=4)
    small = thin(with_settings(BASE, settings), 8)
    alone = ShadowPipeline(validation, 3, small, SCALE, variants=False)(members.images, members.labels, seed=3)
    assert alone.student is not None and borrowed.student is not None
    np.testing.assert_array_equal(borrowed.student(validation.images), alone.student(validation.images))


@pytest.mark.slow
def test_images_by_other_generators_are_another_student_s(tmp_path: Path) -> None:
    """One snapshot passes no gate, so that nothing but the generator's own key tells the two students apart."""
    members, apart = images(120), {"screen.folds": 3, "screen.apart": True, "teachers": 3}
    one = pipeline(apart, stages=tmp_path)(members.images, members.labels, seed=3)
    other = pipeline({**apart, "support.share": 0.9}, stages=tmp_path)(members.images, members.labels, seed=3)
    crossed = pipeline({**apart, "screen.crossed": True}, stages=tmp_path)(members.images, members.labels, seed=3)
    answers = [parts.student(members.images) for parts in (one, other, crossed) if parts.student is not None]
    assert len({found.tobytes() for found in answers}) == 3


@pytest.mark.slow
def test_the_control_is_the_teacher_that_saw_every_record_and_others_leave_none() -> None:
    members, validation = images(120), images(60, seed=4)
    parts = pipeline({}, control=True)(members.images, members.labels, seed=3)
    plain = ShadowPipeline(validation, 3, thin(BASE, 8), SCALE, variants=False)(members.images, members.labels, seed=3)
    assert parts.teacher is not None and plain.teacher is not None and parts.baseline is not None and parts.control is not None
    np.testing.assert_array_equal(parts.teacher(validation.images), plain.teacher(validation.images))
    screened = pipeline({"screen.folds": 3, "screen.floor": 0.9})(members.images, members.labels, seed=3)
    assert screened.teacher is None and screened.baseline is None and screened.control is None
    gone = screened.generator_scores[LEFT_OUT](members.images, members.labels)
    assert 0 < gone.sum() < len(members)


@pytest.mark.parametrize("change", ["settings", "noise", "epsilon", "formal", "control", "scale", "validation", "base"])
def test_kept_answers_are_of_this_very_recipe(change: str) -> None:
    first = pipeline({"screen.folds": 3})
    other = {
        "settings": pipeline({"screen.folds": 4}),
        "noise": pipeline({"screen.folds": 3}, noise=1.0),
        "epsilon": pipeline({"screen.folds": 3}, epsilon=1.0),
        "formal": pipeline({"screen.folds": 3}, formal=1.0),
        "control": pipeline({"screen.folds": 3}, control=True),
        "scale": pipeline({"screen.folds": 3}, scale=0.5),
        "validation": pipeline({"screen.folds": 3}, validation=images(60, seed=5)),
        "base": pipeline({"screen.folds": 3}, base=with_settings(BASE, {"augment.flip": "horizontal"})),
    }[change]
    assert first.key != other.key


def test_a_recipe_by_another_name_is_not_run_again() -> None:
    named = [DesignPipeline(images(60, seed=4), 3, BASE, Design(name, {"screen.folds": 3})) for name in ("a", "b")]
    assert named[0].key == named[1].key


@pytest.fixture
def bars() -> Dataset:
    return Dataset("bars", images(120), images(60, seed=4), images(30, seed=5), ("a", "b", "c"))


def test_a_private_half_that_is_a_link_is_refused(bars: Dataset, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "private").symlink_to(tmp_path)
    with pytest.raises(RunFolderError, match="a link to"):
        frontier(bars, tmp_path / "out", BASE, FrontierPlan(pipelines=4, jobs=1))
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.slow
def test_another_bundle_or_more_pipelines_run_only_what_is_new(
    bars: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cool = Design("cool", {"screen.folds": 2, "screen.floor": 0.9, "screen.most": 0.5, "student.temperature": 1.0})
    monkeypatch.setattr(room, "BUNDLES", {"core": (cool,), "steps": (Design("warm", {"student.temperature": 2.0}),)})
    plan = FrontierPlan(pipelines=4, seed=5, jobs=1, scale=0.01, planted_for=6)
    said: list[str] = []
    rows = frontier(bars, tmp_path, BASE, plan, said.append)
    assert sum("took" in line for line in said) == 8
    assert {row["model"] for row in rows} == {"plain", "cool", "baseline", "teacher, plain", "positive control"}
    for row in rows:
        assert row["auc_low"] <= row["auc"] <= row["auc_high"]
        assert row["student_accuracy_low"] <= row["student_accuracy"] <= row["student_accuracy_high"]
        assert row["model"] != "plain" or row["to_plain"] == row["to_plain_low"] == row["to_plain_high"] == 0
    assert {row["model"] for row in rows if row["kind"] == "left out by the screen"} == {"cool"}
    told = json.loads((tmp_path / "frontier.json").read_text())
    assert told["rows"] == rows
    assert told["privacy"]["cool"]["epsilon"] == {"image": None}
    assert any("screen.folds" in part for part in told["privacy"]["cool"]["without_guarantee"])
    page = (tmp_path / "frontier.html").read_text()
    assert page.count("<svg") >= 1 and "cool" in page
    said.clear()
    assert frontier(bars, tmp_path, BASE, plan, said.append) == rows
    assert not any("took" in line for line in said)
    frontier(bars, tmp_path, BASE, replace(plan, bundles=("core", "steps"), pipelines=6), said.append)
    assert sum("took" in line for line in said) == 2 * 2 + 6  # two pipelines more of what was there, six of what was not


@pytest.mark.slow
def test_a_killed_call_keeps_every_stage_that_was_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    members = images(120)
    monkeypatch.setattr("upcycle.runs.stages._training.train_student", _killed)
    with pytest.raises(KeyboardInterrupt):
        pipeline({}, stages=tmp_path)(members.images, members.labels, seed=3)
    monkeypatch.undo()
    monkeypatch.setattr("upcycle.runs.stages._road.generator_stage", _killed)
    parts = pipeline({}, stages=tmp_path)(members.images, members.labels, seed=3)
    alone = pipeline({})(members.images, members.labels, seed=3) if monkeypatch.undo() is None else None
    assert alone is not None and alone.student is not None and parts.student is not None
    np.testing.assert_array_equal(parts.student(members.images), alone.student(members.images))


def _killed(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_records_are_called_left_out_where_half_of_the_pipelines_that_had_them_left_them_out() -> None:
    members = np.array([[1, 1, 1, 0], [0, 1, 1, 0], [1, 0, 1, 0], [1, 1, 1, 0]], bool)
    gone = np.array([[1, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0], [np.nan] * 4])
    assert mostly_left_out(gone, members).tolist() == [True, True, False, False]


def test_the_difference_to_plain_is_that_of_pairs() -> None:
    facts = [RunFacts({"student": plain, "cool": cool}) for plain, cool in [(0.9, 0.8), (0.7, 0.8), (0.9, 0.9), (0.9, 0.7)]]
    found = accuracies(SimpleNamespace(facts=facts), "cool")  # type: ignore[arg-type]
    assert found["to_plain"] == pytest.approx(-0.05)
    half = 12.706 * np.std([0.0, -0.1], ddof=1) / np.sqrt(2)  # Student's t of one degree of freedom
    assert found["to_plain_high"] - found["to_plain"] == pytest.approx(half, rel=1e-4)


def test_an_unknown_bundle_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    dataset = Dataset("bars", images(120), images(60, seed=4), images(30, seed=5), ("a", "b", "c"))
    with pytest.raises(ConfigError, match=r"core, steps, small, support, floor, dp, formal\. Got cores"):
        frontier(dataset, tmp_path / "out", BASE, FrontierPlan(("cores",)))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("pipelines", [0, 2, 7])
def test_pipelines_that_cannot_be_attacked_by_others_are_refused_with_all_else(pipelines: int, tmp_path: Path) -> None:
    dataset = Dataset("bars", images(120), images(60, seed=4), images(30, seed=5), ("a", "b", "c"))
    with pytest.raises(ConfigError) as problem:
        frontier(dataset, tmp_path / "out", BASE, FrontierPlan(("cores",), pipelines, jobs=-1))
    assert len(str(problem.value).splitlines()) == 3


@pytest.mark.parametrize("setting", ["screen.folds=5", "cleaning.folds=5"])
def test_more_folds_than_patients_or_than_a_class_are_refused_before_any_work(setting: str, tmp_path: Path) -> None:
    train = replace(images(120), groups=np.arange(120) // 30)
    few = Dataset("bars", train, images(60, seed=4), images(30, seed=5), ("a", "b", "c"))
    base = resolve("quick", config_file=None, overrides=[setting])
    with pytest.raises(ConfigError, match=r"folds must be at most the number of independent members.* Got 5\. Set") as problem:
        frontier(few, tmp_path / "out", base, FrontierPlan(("dp",)))
    assert len(problem.value.problems) == 1
    assert not (tmp_path / "out").exists()


def test_every_recipe_of_every_bundle_is_one_that_settings_allow() -> None:
    from upcycle.runs.stages import check_screen_settings

    for bundle in BUNDLES.values():
        for design in bundle:
            check_screen_settings(with_settings(BASE, design.settings))
