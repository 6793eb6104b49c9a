"""Small networks against the run's own: both pipelines of one recipe, on the same coins, and rows that say what was trained."""

from pathlib import Path

from benchmarks.fidelity import ATTACKS, RATES, SHOWN, Timed, audited, both, rows, trained
from tests.audit.toy_pipelines import Memory
from tests.conftest import blobs
from upcycle._settings import resolve
from upcycle.audit import plan_for
from upcycle.data import from_arrays


def test_a_recipe_has_two_pipelines_and_finished_ones_are_kept_apart_and_not_run_again(tmp_path: Path) -> None:
    config = resolve("smoke", config_file=None, overrides=["threads=1", "teacher.width=12"])
    dataset = from_arrays(*blobs(300), config=config.data, seed=0)
    small, own = both(dataset, config, 0.5).values()
    assert Timed(small).key != Timed(own).key
    assert trained(own, dataset)["teacher_images"] == 2_000, "half of the recipe's 4,000"
    assert own.config.teacher == config.teacher and small.config.teacher != config.teacher

    calls = tmp_path / "calls"
    calls.mkdir()
    plan = plan_for("standard", pipelines=4, n_jobs=1, attacks=ATTACKS, without_canaries=0)
    for _ in range(2):
        shadows = audited(Memory(6.0, 3, calls), dataset, plan, tmp_path / "kept", "a set")  # type: ignore[arg-type]
    assert len(list(calls.iterdir())) == 4
    found = list(rows(shadows, plan, {"networks": "own"}))
    assert {(row["target"], row["attack"]) for row in found} >= {("student", name) for name in SHOWN}
    for row in found:
        assert {*RATES, "accuracy", "accuracy_low", "accuracy_high", "seconds_per_pipeline", "networks"} <= set(row)
        assert row["auc_low"] <= row["auc"] <= row["auc_high"]
