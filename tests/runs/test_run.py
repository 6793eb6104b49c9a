"""Stages, plan and folder: idempotent, refused under changed inputs, planned before the work."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from upcycle._files import write_record
from upcycle._presets import PRESETS
from upcycle._settings import with_settings
from upcycle.config import BankConfig, GanConfig, SamplerConfig, SupportConfig
from upcycle.errors import ConfigError, ResourceError, RunFolderError
from upcycle.generators import ImageShape
from upcycle.runs import run
from upcycle.runs.folder import (
    RunFolder,
    check_disk,
    check_memory,
    check_run,
    content_key,
    make_folders,
    only_one,
    read_record,
    run_stage,
)
from upcycle.runs.stages import (
    Bench,
    Budget,
    Plan,
    Rates,
    budget_for,
    make_plan,
    networks_of,
    plain_bench,
    scale_for,
    stage_seconds,
)

SMOKE = PRESETS["smoke"]
RATES = Rates(classifier=1_000, labelling=3_000, generator=500, sampling=300)


def test_a_generator_sees_no_member_more_often_than_allowed_however_many_minutes_there_are() -> None:
    config = with_settings(PRESETS["quick"], {"generator.images": 150_000, "support.passes": 20})
    assert budget_for(config, 1_000).generator == budget_for(config, 1_000, 3.0).generator == 20_000
    assert budget_for(config, 100_000).generator == 150_000  # and never more images than were asked for
    assert (
        budget_for(config, 1_000).student == budget_for(config.model_copy(update={"support": SupportConfig()}), 1_000).student
    )


def test_finished_stage_is_not_done_again_and_other_inputs_are_refused(tmp_path: Path) -> None:
    calls: list[int] = []

    def work() -> dict[str, object]:
        calls.append(1)
        return {"answer": 42}

    first, fresh = run_stage(tmp_path, "key", work)
    again, fresh_again = run_stage(tmp_path, "key", work)
    assert (fresh, fresh_again, len(calls)) == (True, False, 1)
    assert first == again and again.facts == {"answer": 42}
    with pytest.raises(RunFolderError, match="other data"):
        run_stage(tmp_path, "another key", work)


def test_stage_that_fails_is_not_finished_but_its_time_counts(tmp_path: Path) -> None:
    def fail() -> dict[str, object]:
        raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        run_stage(tmp_path, "key", fail)
    assert read_record(tmp_path) is None
    write_record(tmp_path / "seconds.json", {"seconds": 100.0})
    record, _ = run_stage(tmp_path, "key", dict)
    assert record.seconds >= 100


def test_stage_whose_manifest_holds_another_whole_record_is_made_again(tmp_path: Path) -> None:
    write_record(tmp_path / "manifest.json", {"seconds": 1.0})  # its hash is right, but it is not what a stage leaves
    said: list[str] = []
    record, fresh = run_stage(tmp_path, "key", dict, say=said.append)
    assert fresh and record.key == "key" and "the record of something else, without 'key'" in said[0]


def test_key_follows_content_not_order() -> None:
    assert content_key({"a": 1, "b": 2}) == content_key({"b": 2, "a": 1})
    assert content_key({"a": 1}) != content_key({"a": 2})


def test_folder_with_other_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(RunFolderError, match="empty folder"):
        check_run(tmp_path, SMOKE)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_arguments_of_another_type_are_one_line_each_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        run("digits", None, {"preset": "smoke"}, network=nn.Linear(3, 3), generator=3)  # type: ignore[arg-type]
    said = "\n".join(caught.value.problems)
    for word in ("out must be the path of a run folder. Got NoneType", "config must be an upcycle.Config. Got dict"):
        assert word in said
    for word in ("network must be a function of (channels, classes, size). Got Linear", "generator must be a function"):
        assert word in said
    assert len(caught.value.problems) == 4


def test_changed_setting_under_an_old_folder_shows_the_difference(tmp_path: Path) -> None:
    make_folders(RunFolder(tmp_path), SMOKE)
    check_run(tmp_path, SMOKE)
    check_run(tmp_path, SMOKE.model_copy(update={"device": "cpu", "threads": 1}))
    changed = SMOKE.model_copy(update={"seed": 5})
    with pytest.raises(RunFolderError, match=r"seed: 0 -> 5"):
        check_run(tmp_path, changed)


@pytest.mark.parametrize("name", ["private", "release", "private/store"])
@pytest.mark.parametrize("there", [True, False])
def test_a_half_of_a_run_that_is_a_link_is_refused_and_what_it_leads_to_is_left_alone(
    name: str, there: bool, tmp_path: Path
) -> None:
    other, link = tmp_path / "other", tmp_path / "run" / name
    if there:
        other.mkdir()
    link.parent.mkdir(parents=True)
    link.symlink_to(other, target_is_directory=True)
    with pytest.raises(RunFolderError, match=f"Got {link}, a link to {other}"):
        check_run(tmp_path / "run", SMOKE)
    assert link.is_symlink() and other.exists() == there and not (there and any(other.iterdir()))


def test_a_run_that_is_itself_a_link_is_taken(tmp_path: Path) -> None:
    (tmp_path / "large disk").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "large disk", target_is_directory=True)
    check_run(tmp_path / "run", SMOKE)


def test_second_process_in_one_folder_is_refused(tmp_path: Path) -> None:
    with only_one(tmp_path), pytest.raises(RunFolderError, match="in use"), only_one(tmp_path):
        pass
    with only_one(tmp_path):
        pass


def test_full_disk_and_small_memory_are_said_before_any_work(tmp_path: Path) -> None:
    check_disk(tmp_path / "not" / "yet", 1)
    with pytest.raises(ResourceError, match="disk"):
        check_disk(tmp_path, 10**18)
    check_memory(1)
    with pytest.raises(ResourceError, match="memory"):
        check_memory(10**18)


def test_metrics_survive_a_cut_line_and_a_repeated_row(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    for images, loss in ((100, 2.0), (200, 1.0), (200, 1.0)):
        folder.log_metrics("teacher", images, {"loss": loss})
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"stage": "teac')
    assert [row["loss"] for row in folder.curves()["teacher"]] == [2.0, 1.0]


def test_baseline_never_sees_fewer_images_than_the_student() -> None:
    for preset in PRESETS.values():
        for members in (100, 10_000, 60_000):
            budget = budget_for(preset, members)
            assert budget.baseline >= budget.student
            assert budget.drawn >= budget.bank


@pytest.mark.parametrize("minutes", [3.0, 12.0, 60.0])
def test_minutes_scale_the_plan_to_about_that_long(minutes: float) -> None:
    config = PRESETS["quick"].model_copy(update={"minutes": minutes})
    scale = scale_for(config, 5_000, RATES)
    total = sum(stage_seconds(budget_for(config, 5_000, scale), RATES).values())
    assert total == pytest.approx(minutes * 60, rel=0.1)


@pytest.mark.parametrize(("limit", "expected"), [(5.0, 5.0), (500.0, 12.0)])
def test_a_limit_shortens_a_long_run_and_never_lengthens_a_short_one(limit: float, expected: float) -> None:
    config = PRESETS["quick"].model_copy(update={"minutes": 12.0, "minutes_limit": limit})
    total = sum(stage_seconds(budget_for(config, 5_000, scale_for(config, 5_000, RATES)), RATES).values())
    assert total == pytest.approx(expected * 60, rel=0.1)
    unasked = PRESETS["quick"].model_copy(update={"minutes_limit": 500.0})
    assert scale_for(unasked, 5_000, RATES) == 1.0


def test_images_between_classes_are_refused_before_work_where_the_generator_cannot_draw_them() -> None:
    hard = SMOKE.student.model_copy(update={"labels": "hard"})
    config = SMOKE.model_copy(update={"bank": BankConfig(between=0.2), "generator": GanConfig(), "student": hard})
    with pytest.raises(ConfigError) as found:
        make_plan(config, ImageShape(1, 8, 2), 100, torch.device("cpu"), networks_of(config))
    assert "bank.between must be 0 for a generator that draws nothing between two images. Got 0.2" in str(found.value)
    assert "bank.between must be 0 with hard labels. Got 0.2" in str(found.value)


def test_the_plan_counts_the_network_of_the_user() -> None:
    networks = networks_of(SMOKE, lambda *_: nn.Sequential(nn.Flatten(), nn.Linear(64, 2)))
    plan = make_plan(SMOKE, ImageShape(1, 8, 2), 100, torch.device("cpu"), networks)
    assert plan.classifier_parameters == 64 * 2 + 2


def test_plain_cas_learns_neither_blends_nor_what_the_teacher_chose() -> None:
    mixed = SMOKE.model_copy(update={"bank": BankConfig(between=0.5, hard=0.3), "sampler": SamplerConfig(threshold=0.5)})
    bench = Bench(None, mixed, ImageShape(1, 8, 2), torch.device("cpu"), None, None, None)  # type: ignore[arg-type]
    assert (plain_bench(bench).config.bank.between, plain_bench(bench).config.bank.hard) == (0.0, 0.0)
    assert plain_bench(bench).config.student.labels == "hard" and plain_bench(bench).config.sampler.threshold is None


def test_hard_and_blended_draws_count_their_attempts_in_the_plan() -> None:
    seconds = [
        stage_seconds(budget_for(with_settings(SMOKE, {"bank.hard": hard}), 500), RATES)["student"] for hard in (0.0, 1.0)
    ]
    drawn = budget_for(SMOKE, 500).drawn / RATES.sampling
    assert seconds[1] - seconds[0] == pytest.approx(3 * drawn)


def test_images_drawn_to_look_at_count_in_the_plan_where_drawing_is_slow() -> None:
    """A run of six minutes took seven and a half: gate, temperature, copies and report drew for 80 seconds, and 25 were counted."""
    budget = budget_for(PRESETS["quick"], 500)
    slow = replace(RATES, sampling=RATES.sampling / 10)
    longer = stage_seconds(budget, slow)["others"] - stage_seconds(budget, RATES)["others"]
    assert longer == pytest.approx(9 * budget.looked_at / RATES.sampling)
    assert budget.looked_at == 4 * 512 + 1_000 + 2_000 + 6 * 256


def test_looks_at_the_validation_split_count_in_the_plan() -> None:
    """A short run on 5,000 X-rays spent a minute on them, of six."""
    config, quiet = PRESETS["quick"], budget_for(PRESETS["quick"], 500)
    budget = budget_for(config, 500, validation=500)
    assert budget.looks == 20 * 500
    more = sum(stage_seconds(budget, RATES).values()) - sum(stage_seconds(quiet, RATES).values())
    assert more == pytest.approx(3 * budget.looks / RATES.labelling)  # teacher, baseline, control
    asked = budget_for(config, 500, test=10_000).asked - quiet.asked
    assert asked == 3 * 10_000  # student, baseline, teacher


def test_drawn_images_are_the_bank_and_what_every_epoch_redraws() -> None:
    budget = Budget(teacher=1, baseline=1, generator=1, student=1_000, bank=400, redrawn=40, epoch=250)
    assert budget.drawn == 400 + 3 * 40


def test_plan_survives_the_way_through_json() -> None:
    budget = budget_for(SMOKE, 500)
    plan = Plan(budget, stage_seconds(budget, RATES), RATES, 10, 20, 1.0)
    assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan
    assert any("min" in line for line in plan.lines())


def test_set_too_small_for_its_audit_is_refused_before_any_work(tmp_path: Path) -> None:
    from tests.conftest import blobs
    from upcycle.data import from_arrays
    from upcycle.errors import DataError
    from upcycle.runs import run_dataset

    images, labels = blobs(72)
    dataset = from_arrays(images, labels, config=SMOKE.data, seed=0)
    with pytest.raises(DataError, match="non-members for the audit must be at least 16"):
        run_dataset(dataset, tmp_path / "run", SMOKE)
    assert not (tmp_path / "run").exists()
    with pytest.raises(DataError, match="cut by whole patients"):
        run_dataset(from_arrays(*blobs(240), np.arange(240) // 80, config=SMOKE.data, seed=0), tmp_path / "run", SMOKE)


def test_larger_presets_and_images_are_planned_with_more_memory() -> None:
    from upcycle.generators import ImageShape
    from upcycle.runs.stages import memory_bytes

    small, large = ImageShape(3, 28, 8), ImageShape(3, 224, 8)
    quick, best = PRESETS["quick"], PRESETS["best"]
    assert 1e9 < memory_bytes(quick, small, 10**7) < 2e9
    assert memory_bytes(quick, small, 10**7) < memory_bytes(best, small, 10**7)
    fine = best.model_copy(update={"generator": best.generator.model_copy(update={"patch": 2})})
    assert memory_bytes(best, large, 10**7) > 16e9
    assert memory_bytes(fine, large, 10**7) > 64e9  # four times the positions


@pytest.mark.parametrize("verdict", ["LEAKS", "INVALID"])
def test_run_whose_audit_speaks_against_it_does_not_end_with_advice_to_share(verdict: str, tmp_path: Path) -> None:
    from upcycle.runs._run import advice

    assert "do not share" in advice(verdict, tmp_path)
    assert "do not share" not in advice("INCONCLUSIVE", tmp_path)
