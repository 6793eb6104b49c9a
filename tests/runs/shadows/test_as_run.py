"""Pipelines of the run's own networks and budgets: the bits that the run itself trained, kept apart from small ones, and said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import upcycle.runs.shadows._audit as audits
import upcycle.runs.shadows._cost as costs
import upcycle.runs.shadows._pipeline as module
from tests.conftest import blobs
from tests.test_own_parts import MeanAndNoise, network
from upcycle._files import write_record
from upcycle._presets import PRESETS
from upcycle._settings import resolve
from upcycle.cli import cli
from upcycle.data import ImageSet, from_arrays
from upcycle.errors import ConfigError, RunFolderError
from upcycle.runs import audit_run, evidence_minutes, run_dataset
from upcycle.runs.folder import RunFolder
from upcycle.runs.shadows import ShadowPipeline
from upcycle.runs.shadows._as_run import OWN_NETWORKS, SMALL_NETWORKS, AsRun
from upcycle.runs.shadows._audit import run_pipeline
from upcycle.runs.shadows._evidence import _kept_choice, _on, _within
from upcycle.runs.stages import Own, prepare

TINY = (
    *("teacher.min_images=512", "teacher.max_images=512", "generator.images=512", "generator.warmup_images=100"),
    *("teacher.width=4", "generator.channels=[8,8]", "sampler.steps=2"),
    *("bank.min_images=256", "bank.max_images=256", "bank.refresh=0.1", "threads=1", "audit.min_non_members=40"),
)
OWN = {"network": network, "generator": MeanAndNoise}


def trained(out: Path, **parts: object) -> Path:
    """A run up to its audit, of settings alone or with the user's own `parts`."""
    config = resolve("smoke", config_file=None, overrides=TINY, seed=7)
    dataset = from_arrays(*blobs(300), config=config.data, seed=7)
    run_dataset(dataset, out, config, until="audit", **parts)  # type: ignore[arg-type]
    return out


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("plain") / "run")


@pytest.fixture(scope="module")
def users(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("users") / "run", **OWN)


@pytest.mark.parametrize("which", ["plain", "users"])
def test_the_members_of_a_run_give_the_bits_that_the_run_itself_left(which: str, request: pytest.FixtureRequest) -> None:
    out: Path = request.getfixturevalue(which)
    parts = OWN if which == "users" else {}
    with prepare(None, out, **parts) as bench:  # type: ignore[arg-type]
        store = bench.folder.open_store()
        pipeline = replace(run_pipeline(bench, store, "own"), variants=False)
        members, asked = store.members(), store.non_members().images
        found = pipeline(members.images, members.labels, seed=bench.config.seed)
        for name, predict in (("teacher", found.teacher), ("baseline", found.baseline), ("student", found.student)):
            assert predict is not None
            assert np.array_equal(predict(asked), module.as_predict(bench.classifier(name))(asked)), name
        assert found.synthetic_images is not None
        assert np.array_equal(found.synthetic_images, bench.bank("student", bench.plan.budget.bank).images)


def test_budgets_are_scaled_as_those_of_the_run_and_follow_the_number_of_members() -> None:
    config = PRESETS["quick"]
    whole, half = AsRun(0.5).budget(config, 20_000, 1), AsRun(0.5).budget(config, 20_000, 0.1)
    assert (whole.teacher, whole.generator) == (100_000, 90_000)
    assert AsRun(0.5).budget(config, 10_000, 1).teacher == 55_000, "eleven epochs, as in the run"
    assert (half.teacher, half.generator, half.bank, half.redrawn) == (10_000, 9_000, whole.bank // 10, whole.redrawn // 10)
    assert (half.teachers, half.attempts) == (whole.teachers, whole.attempts)


def test_what_small_pipelines_left_is_not_taken_for_that_of_own_ones_nor_that_of_other_own_ones() -> None:
    validation = ImageSet(np.zeros((4, 8, 8, 1), np.uint8), np.arange(4) % 3)
    small = ShadowPipeline(validation, 3, PRESETS["smoke"])
    own = [AsRun(), AsRun(0.5), AsRun(1.0, Own(network)), AsRun(1.0, Own(None, MeanAndNoise))]
    pipelines = [small, *(replace(small, as_run=one) for one in own)]
    assert len({pipeline.key for pipeline in pipelines}) == 5
    assert replace(small, as_run=AsRun()).key == pipelines[1].key, "the same ones again resume"
    assert [pipeline.networks for pipeline in pipelines] == [SMALL_NETWORKS, *[OWN_NETWORKS] * 4]
    patients = replace(validation, groups=np.arange(4))
    assert replace(pipelines[1], validation=patients).scope == "cleaning, screen and gate do not know the patients"


def test_own_networks_learn_on_the_device_of_the_run_and_small_ones_on_a_cpu(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "choose_device", lambda _: torch.device("meta"))
    small = ShadowPipeline(ImageSet(np.zeros((4, 8, 8, 1), np.uint8), np.arange(4) % 3), 3, PRESETS["smoke"])
    devices = [one.bench(small.validation, 0, tmp_path).device.type for one in (small, replace(small, as_run=AsRun()))]
    assert devices == ["cpu", "meta"]


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of every pipeline, measured by half of it."""
    monkeypatch.setattr(audits, "ShadowPipeline", lambda *a: replace(ShadowPipeline(*a), scale=0.1, variants=False))
    monkeypatch.setattr(costs, "_OWN_SHARES", (0.5, 1.0))


@pytest.mark.usefixtures("short")
def test_a_run_with_code_of_the_users_is_audited_by_its_own_networks_alone_which_is_said_before_and_after(users: Path) -> None:
    with pytest.raises(RunFolderError, match=r"run must be of settings alone .* Set evidence_networks=own"):
        audit_run(users, "quick", jobs=1)
    with pytest.raises(RunFolderError, match=r"network must be the one .* the networks of upcycle\.runs\.audit_run"):
        audit_run(users, "quick", jobs=1, networks="own")
    said: list[str] = []
    found = audit_run(users, "quick", jobs=1, networks=OWN, say=said.append)
    assert said[1].startswith("audit quick: 1 pipelines with the run's own networks (0 done)")
    assert found.to_json()["networks"] == OWN_NETWORKS and "student" in {row.part.name for row in found.rows}
    assert OWN_NETWORKS.replace("'", "&#39;") in (users / "private" / "audit" / "pipeline.html").read_text(encoding="utf-8")


def test_wrong_networks_are_one_line_on_every_way_in(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^networks must be small, own, or a mapping .* Got 'big'\."):
        audit_run(tmp_path, "quick", networks="big")
    with pytest.raises(ConfigError, match=r"^networks must be small, own, or a mapping .* Got \['net'\]\."):
        audit_run(tmp_path, "quick", networks={"net": network})
    with pytest.raises(ConfigError, match=r"evidence_networks must be .*small.*own.* Got 'big'"):
        resolve("quick", config_file=None, overrides=["evidence_networks=big"])
    for command in (["run", "digits", "--out", str(tmp_path / "run")], ["audit", str(tmp_path), "--budget", "quick"]):
        done = CliRunner().invoke(cli, [*command, "--networks", "big"])
        assert done.exit_code == 2 and "'big' is not one of 'small', 'own'" in done.output
    assert not (tmp_path / "run").exists()


def test_the_plan_and_the_choice_count_what_own_networks_cost(tmp_path: Path) -> None:
    assert evidence_minutes(9, "auto", "own").endswith("each does the work of the training again (--networks own)")
    assert "networks" not in evidence_minutes(9, "auto") + evidence_minutes(9, "none", "own")
    choice = _on("own", _within(100.0, 101.0, 4, may_shrink=False))
    assert (choice.budget, choice.networks) == ("none", "own") and choice.why.endswith("the networks are the run's own")
    folder = RunFolder(tmp_path)
    write_record(folder.stage("evidence") / "choice.json", choice.__dict__)
    kept = [
        _kept_choice(SimpleNamespace(folder=folder, config=SimpleNamespace(evidence_networks=name)))  # type: ignore[arg-type]
        for name in ("own", "small")
    ]
    assert kept == [choice, None], "what was chosen for other networks is chosen again"
