"""A finished run audited by shadow pipelines: what is written, what is said, and what never leaves."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import upcycle.runs.shadows._audit as module
import upcycle.runs.shadows._cost as costs
from tests.audit.toy_pipelines import Memory, run_shadows
from tests.conftest import blobs
from tests.runs.shadows.thin import thinner
from upcycle._files import write_json
from upcycle._settings import resolve
from upcycle.audit import (
    PipelineAudit,
    TargetScores,
    audit_scores,
    check_pipeline_audit,
    check_released_audit,
    merge_audits,
    plan_for,
)
from upcycle.audit.pipeline_audit import seconds_of_attacks
from upcycle.audit.pipelines import make_design
from upcycle.cli import cli
from upcycle.cli.audit import summary_lines
from upcycle.config import Config
from upcycle.data import ImageSet, Store, from_arrays
from upcycle.errors import ConfigError, RunFolderError
from upcycle.runs.folder import run_stage
from upcycle.runs.shadows._audit import audit_run
from upcycle.runs.shadows._config import shadow_config
from upcycle.runs.shadows._pipeline import ShadowPipeline
from upcycle.runs.stages import CONTROL, prepare, training_road


def _weights(place: Path) -> dict[str, object]:
    (place / "model.safetensors").write_bytes(b"weights")
    return {}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a small run leaves: store, models, release."""
    config = resolve("smoke", config_file=None, overrides=(), seed=1)
    images, labels = blobs(300)
    dataset = from_arrays(images, labels, None, config=config.data, seed=1)
    out = tmp_path_factory.mktemp("runs") / "run"
    with prepare(dataset, out, config) as bench:
        run = bench.folder
        for name in (*(stage.name for stage in training_road(bench, run.open_store())), CONTROL):
            run_stage(run.stage(name), "", lambda name=name: _weights(run.stage(name)))  # type: ignore[misc]
    (run.release / "student").mkdir()
    _weights(run.release / "student")
    members = np.arange(80) < 40
    logits = np.random.default_rng(0).normal(size=(80, 3))
    result = audit_scores({"student": TargetScores(logits, np.arange(80) % 3, members)}, folds=2)
    write_json(run.stage("audit") / "audit.json", result.to_json())
    run_stage(run.stage("audit"), "", dict)
    public = result.to_json()
    public["plan"].pop("seed")
    write_json(run.release / "audit.json", public)
    return out


def _small(validation: ImageSet, classes: int, config: Config) -> ShadowPipeline:
    return ShadowPipeline(validation, classes, thinner(config), scale=0.02)


@pytest.fixture(scope="module")
def patch_scale() -> pytest.MonkeyPatch:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "ShadowPipeline", _small)
        patch.setattr(costs, "_SHARES", (0.5, 1.0))
        yield patch


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def audited(finished: Path, patch_scale: pytest.MonkeyPatch) -> tuple[PipelineAudit, list[str], dict[str, dict[str, str]]]:
    said: list[str] = []
    before = {name: hashes(finished / name) for name in ("release", "private/store", "private/student", "private/generator")}
    return audit_run(finished, "quick", jobs=1, say=said.append), said, before


def test_a_run_is_audited_and_says_its_cost_first_and_what_it_took_last(
    audited: tuple[PipelineAudit, list[str], dict[str, dict[str, str]]], finished: Path
) -> None:
    found, said, _ = audited
    assert said[0] == "measuring what a pipeline costs on this machine", "which takes a while in which nothing else is said"
    assert re.fullmatch(r"audit quick: 1 pipelines \(0 done\), 1 at a time, \d+ s each: about [\d.]+ min", said[1])
    assert said[2].startswith("pipeline 1 of 1")
    assert "expected" in said[-1]
    targets = {row.part.name for row in found.rows}
    assert {"teacher", "baseline", "student", "student, hard labels", "student, temperature 4"} <= targets
    assert {"synthetic set", "generator"} <= targets
    assert {row.threat_model for row in found.rows} >= {"T0", "T1", "T1+", "T2", "T3", "T4", "T5"}
    kept = json.loads((finished / "private" / "audit" / "pipeline.json").read_text())
    assert kept["verdict"] == found.verdict
    arrays = np.load(finished / "private" / "audit" / "pipeline_scores.npz", allow_pickle=False)
    assert arrays["members"].shape == (1, len(module.run_pool(Store(finished / "private" / "store"))))


def test_canaries_are_never_in_anything_released_nor_in_the_store_nor_in_a_model(
    audited: tuple[PipelineAudit, list[str], dict[str, dict[str, str]]], finished: Path
) -> None:
    found, _, before = audited
    assert (found.arrays["kind"] != "").sum() > 10  # there were canaries
    for name, old in before.items():
        new = hashes(finished / name)
        changed = {file for file in new.keys() | old.keys() if new.get(file) != old.get(file)}
        assert changed <= ({"audit.json", "SHA256SUMS"} if name == "release" else set())
    released = [path.name for path in (finished / "release").rglob("*")]
    assert not any("shadow" in name or "canar" in name for name in released)


def test_what_leaves_has_the_rows_and_the_merged_verdict_but_no_seed_and_no_membership(
    audited: tuple[PipelineAudit, list[str], dict[str, dict[str, str]]], finished: Path
) -> None:
    found, _, _ = audited
    text = (finished / "release" / "audit.json").read_text()
    public = json.loads(text)
    secret = json.loads((finished / "private" / "audit" / "secret.json").read_text())["seed"]
    assert str(secret) not in text
    check_released_audit(public)
    own = json.loads((finished / "private" / "audit" / "audit.json").read_text())
    assert [row["target"] for row in public["rows"]] == [row["target"] for row in own["rows"]]
    assert len(public["pipelines"]["rows"]) == len(found.rows)
    assert (public["merged"]["run"]["verdict"], public["pipelines"]["verdict"]) == (own["verdict"], found.verdict)
    assert public["verdict"] == merge_audits(own, found.to_json()).verdict


def test_what_is_written_inside_follows_the_schema(
    audited: tuple[PipelineAudit, list[str], dict[str, dict[str, str]]], finished: Path
) -> None:
    check_pipeline_audit(json.loads((finished / "private" / "audit" / "pipeline.json").read_text()))


def test_command_says_when_kept_runs_of_several_code_versions_are_mixed(
    audited: tuple[PipelineAudit, list[str], dict[str, dict[str, str]]],
) -> None:
    found = audited[0]
    mixed = replace(found, facts=replace(found.facts, code={"a": 0.5, "b": 0.5}))
    assert "code     kept runs of 2 code versions are mixed; the page says which" in summary_lines(mixed)
    assert not any(line.startswith("code") for line in summary_lines(found))


def test_the_same_command_resumes_and_runs_nothing_twice(
    audited: tuple[PipelineAudit, list[str], dict[str, dict[str, str]]], finished: Path
) -> None:
    said: list[str] = []
    again = audit_run(finished, "quick", jobs=1, say=said.append)
    assert "(1 done)" in said[0]
    assert not any(line.startswith("pipeline") for line in said)
    assert again.to_json() == audited[0].to_json()


def test_the_command_prints_verdicts_and_refuses_what_does_not_belong_beside_a_budget(
    audited: tuple[PipelineAudit, list[str], dict[str, dict[str, str]]], finished: Path, tmp_path: Path
) -> None:
    done = CliRunner().invoke(cli, ["audit", str(finished), "--budget", "quick", "--jobs", "1"], catch_exceptions=False)
    assert done.exit_code == audited[0].exit_code
    assert "verdict  " in done.output
    page = finished / "private" / "audit" / "pipeline.html"
    assert done.output.splitlines()[-1] == f"page     {page} (internal)"
    assert audited[0].headline.line.split(",")[0] in page.read_text(encoding="utf-8")
    assert not list((finished / "release").glob("pipeline*")), "the page stays on the closed side"
    with pytest.raises(ConfigError, match="run folder only"):
        CliRunner().invoke(cli, ["audit", str(finished), "--budget", "quick", "--out", str(tmp_path)], catch_exceptions=False)
    with pytest.raises(RunFolderError, match="folder written by upcycle run"):
        audit_run(tmp_path, "quick")
    assert "--out" in CliRunner().invoke(cli, ["audit", "digits"]).output


@pytest.mark.parametrize(
    "unheeded",
    [
        ("--seed", "0"),
        ("--evidence", "quick"),
        ("--privacy", "strong"),
        ("--device", "cpu"),
        ("--groups", "who.csv"),
        ("--tensorboard",),
    ],
)
def test_an_option_that_an_audit_of_a_finished_run_would_not_heed_is_refused(unheeded: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"run folder only. Got {unheeded[0]}"):
        CliRunner().invoke(cli, ["audit", str(tmp_path), "--budget", "quick", *unheeded], catch_exceptions=False)


def test_a_number_of_jobs_without_a_budget_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--jobs must stand next to --budget"):
        CliRunner().invoke(cli, ["audit", "digits", "--out", str(tmp_path / "run"), "--jobs", "2"], catch_exceptions=False)


def test_a_failed_control_ends_with_exit_code_3(
    audited: tuple[PipelineAudit, list[str], dict[str, dict[str, str]]], finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = replace(audited[0], verdicts=tuple(replace(word, verdict="INVALID") for word in audited[0].verdicts))
    monkeypatch.setattr(module, "audit_pool", lambda *_: broken)
    done = CliRunner().invoke(cli, ["audit", str(finished), "--budget", "quick"], catch_exceptions=False)
    assert done.exit_code == 3


def test_a_pipeline_depends_on_its_arguments_only_and_its_key_on_every_setting() -> None:
    images, labels = blobs(120)
    data = from_arrays(images, labels, None, config=resolve("smoke", config_file=None, overrides=()).data, seed=1)
    config = shadow_config(resolve("quick", config_file=None, overrides=()), 8)
    pipeline = ShadowPipeline(data.validation, 3, config, 0.01)
    one, two = (pipeline(data.train.images, data.train.labels, seed=5) for _ in range(2))
    assert one.student is not None
    assert two.student is not None
    assert (one.student(data.test.images) == two.student(data.test.images)).all()
    assert (one.synthetic_images == two.synthetic_images).all()
    other = ShadowPipeline(
        data.validation, 3, shadow_config(resolve("quick", config_file=None, overrides=["student.temperature=2"]), 8), 0.01
    )
    keys = {pipeline.key, other.key, pipeline.scaled(0.5).key, ShadowPipeline(data.test, 3, config, 0.01).key}
    assert len(keys) == 4
    assert plan_for("quick").pipelines == 1


def test_a_pipeline_of_a_fixed_and_a_growing_part_is_extended_to_its_whole_length() -> None:
    short, longer, whole = (2 + 100 * share for share in (*costs._SHARES, 1.0))
    assert costs._whole(short, longer, *costs._SHARES) == pytest.approx(whole)


def test_pipelines_that_measure_the_cost_of_many_are_kept_and_not_run_again(tmp_path: Path) -> None:
    """Short ones that were thrown away had misjudged whole ones by 6 % on average, and cost as much."""
    images, labels = blobs(300)
    said: list[str] = []
    plan = plan_for("standard", n_jobs=1)

    class Scalable(Memory):
        def scaled(self, _: float) -> Memory:
            return Memory(self.sure, self.classes)

    calls, kept = tmp_path / "calls", tmp_path / "kept"
    calls.mkdir()
    found = module.audit_pool(Scalable(1.0, 3, calls), ImageSet(images[..., None], labels), plan, kept, said.append)  # type: ignore[arg-type]
    every = plan.pipelines + plan.without_canaries
    assert len(list(calls.iterdir())) == every
    assert said[0] == f"running the first 1 of {every} pipelines, to see what they cost on this machine"
    assert said[1].startswith(f"audit standard: {every} pipelines, 2 of them without canaries (1 done), 1 at a time, ")
    assert said[2].startswith(f"pipeline 2 of {every}, "), "the first one is not counted twice"
    assert len(found.rows) > 0


def test_an_audit_of_kept_runs_still_announces_its_attacks(tmp_path: Path) -> None:
    """Also those on a single pipeline, which took a quarter of the time that quick had announced."""
    images, labels = blobs(300)
    data = ImageSet(images[..., None], labels)
    for plan in (plan_for("quick", n_jobs=1), plan_for("standard", pipelines=4, n_jobs=1)):
        design = make_design(data, plan)
        run_shadows(Memory(1.0, 3), design, plan, cache=tmp_path)
        cost = costs.measure_cost(Memory(1.0, 3), design, plan, tmp_path)  # type: ignore[arg-type]
        assert cost.pending == 0 and cost.minutes == cost.seconds_of_attacks / 60 > 0


@pytest.mark.parametrize("pipelines", [1, 2, 4, 8])
def test_answers_that_are_no_numbers_or_all_the_same_do_not_stop_the_announcement(pipelines: int) -> None:
    """The audit leaves such a classifier out by name; it never got there."""
    images, labels = blobs(300)
    plan = replace(plan_for("quick" if pipelines == 1 else "standard"), pipelines=pipelines, without_canaries=0)
    design = make_design(ImageSet(images[..., None], labels), plan)
    for value in (0.0, np.nan):
        answers = {"teacher": np.full((len(design.records), plan.views, 3), value, dtype=np.float32)}
        assert seconds_of_attacks(answers, design, plan) > 0


def test_minutes_left_count_the_pipelines_that_run_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the first of two it said twice as many minutes as were left: the other one was all but finished, too."""

    def two_at_a_time(*_: object, report: Callable[[int, int, float], None], **__: object) -> None:
        for made in (1, 2, 3):
            report(made, 4, 60.0)

    images, labels = blobs(300)
    monkeypatch.setattr(module, "measure_cost", lambda *_: costs.Cost(5, 4, 2, 60.0, 6.0))
    monkeypatch.setattr(module, "audit", two_at_a_time)
    said: list[str] = []
    module.audit_pool(Memory(1.0, 3), ImageSet(images[..., None], labels), plan_for("smoke"), tmp_path, said.append)  # type: ignore[arg-type]
    assert said[1:-1] == [f"pipeline {k} of 5, {left} min left" for k, left in ((2, 1.6), (3, 1.1), (4, 0.6))]
