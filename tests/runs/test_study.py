"""The table over data sets and seeds: its intervals, and that it goes on where it was."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from tests.conftest import SHORT
from upcycle._settings import resolve
from upcycle.cli.study import study as command
from upcycle.errors import ConfigError
from upcycle.runs import _study, study
from upcycle.runs._study import _packed, dataset_name, gap_error, summarise
from upcycle.runs._study_table import _HEADS, GapSummary, _leak, _worse, settings_line, table


def test_one_seed_has_the_paired_error_of_its_test_images() -> None:
    difference = np.array([100.0, 0, 0, -100, 0, 0, 0, 0, 0, 0])
    gap, error, freedom = gap_error([difference], shared_images=True)
    assert gap == 0 and freedom == pytest.approx(9)
    assert error == pytest.approx(difference.std(ddof=1) / np.sqrt(10))


@pytest.mark.parametrize("shared", [True, False])
def test_interval_over_seeds_and_images_covers_the_true_gap(shared: bool) -> None:
    """Gap of 0 with luck of seeds and of images, on shared or own test images; 95 % intervals must hold it about as often."""
    from scipy import stats

    rng, held, trials = np.random.default_rng(0), 0, 400
    for _ in range(trials):
        common = rng.normal(0, 30, 200)
        runs = [(common if shared else rng.normal(0, 30, 200)) + rng.normal(0, 2) + rng.normal(0, 20, 200) for _ in range(3)]
        gap, error, freedom = gap_error(runs, shared_images=shared)
        held += abs(gap) <= stats.t.ppf(0.975, freedom) * error
    assert held / trials >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / trials)


def test_rows_alone_give_the_gap_and_its_interval() -> None:
    """Rows outlive their run folders, so the summary must not need them: 11 test images, three of them judged differently."""
    baseline, student = np.ones(11, bool), np.ones(11, bool)
    baseline[[0, 9]], student[10] = False, False
    right = {"baseline": _packed(baseline), "student": _packed(student)}
    row = {"dataset": "a", "seed": 0, "test_images": 11, "test_labels": "same", "right": right}
    each, mean = summarise([row])
    gap, error, _ = gap_error([100.0 * student - 100.0 * baseline], shared_images=True)
    assert each.gap == mean.gap == pytest.approx(100 / 11) == pytest.approx(gap)
    assert each.error == pytest.approx(error) and each.low < gap < each.high


def test_leakage_of_more_seeds_has_a_narrower_interval() -> None:
    assert _leak([[0.5, 0.46, 0.54]]) == "0.500 ± 0.040"
    assert _leak([[0.5, 0.46, 0.54]] * 4) == "0.500 ± 0.020"


def test_accuracy_on_worse_images_is_a_column_only_where_it_was_measured() -> None:
    kinds = {"noise": [0.9, 0.7], "blur": [0.5, 0.3]}
    row = {"dataset": "a", "robustness": {"baseline": kinds, "student": {"noise": [1.0, 1.0], "blur": [1.0, 0.6]}}}
    assert _worse(row, "baseline") == pytest.approx(0.6) and _worse(row, "student") == pytest.approx(0.9)
    assert _worse({"dataset": "a"}, "student") is None
    assert table([], [GapSummary("mean", 0, 0, 0, 0, 0)])[0].count("|") == len(_HEADS) + 1


def test_names_of_data_sets() -> None:
    assert [dataset_name(d) for d in ("a/b/blood.npz", "folder/", "medmnist:bloodmnist")] == ["blood", "folder", "bloodmnist"]


def test_two_sets_of_one_name_are_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="different names"):
        list(
            study(["a/x.npz", "b/x.npz"], tmp_path / "out", lambda seed: resolve("smoke", config_file=None, overrides=()), [0])
        )
    assert not (tmp_path / "out").exists()


SMOKE = ["--preset", "smoke", *(word for setting in SHORT for word in ("--set", setting))]


def test_study_writes_rows_and_table_and_a_second_call_only_reads_them(bars: Path, tmp_path: Path, plain_ends: None) -> None:
    settings = [*SMOKE, "--set", "teachers=2"]
    arguments = [str(bars), "--seeds", "1", *settings, "--out", str(tmp_path / "out"), "--json"]
    first = CliRunner().invoke(command, arguments, catch_exceptions=False)
    document = json.loads(first.stdout)
    (row,) = document["rows"]
    assert row["dataset"] == "bars" and 0 <= row["plain_cas"] <= 1
    assert row["gap_points"] == pytest.approx(100 * (row["student_accuracy"] - row["baseline_accuracy"]))
    assert row["figures"]["student"]["accuracy"] == pytest.approx(row["student_accuracy"])
    assert document["gaps"][-1]["gap"] == pytest.approx(row["gap_points"])
    assert row["recipe_share"] == 1
    given = dict(text.split("=") for text in (*SHORT, "teachers=2") if not text.startswith("threads"))
    assert row["settings"] == {name: yaml.safe_load(value) for name, value in given.items()}, (
        "what its runs changed of the preset"
    )
    told = (tmp_path / "out" / "study.md").read_text()
    assert "| bars | 1 |" in told and "; teachers=2 (all)." in told.split("Beyond the preset: ")[1]
    again = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert json.loads(again.stdout) == document


def test_a_table_says_which_of_its_runs_changed_what_and_which_were_cut_short() -> None:
    recipes = [
        ("a", 0, {"x": 1, "y": 2}, 1.0),
        ("a", 1, {"x": 1, "y": 2}, 0.65),
        ("b", 0, {"x": 1, "y": 3}, 1.0),
        ("b", 1, {"x": 1}, 1.0),
    ]
    rows = [{"dataset": d, "seed": s, "settings": given, "recipe_share": share} for d, s, given, share in recipes]
    told = "Beyond the preset: x=1 (all); y=2 (a); y=3 (b 0). The time limit allowed this share of the recipe: a 1 65%."
    assert settings_line(rows) == told
    assert settings_line([{**row, "settings": {}, "recipe_share": 1.0} for row in rows]) == ""


def upcycle(*arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "upcycle", "study", *arguments], capture_output=True, text=True, env=env)


@pytest.mark.slow
def test_runs_beside_one_another_give_the_rows_in_order_and_say_which_of_them_speaks(
    bars: Path, tmp_path: Path, without_onnx: dict[str, str]
) -> None:
    """In a process of its own, whose children inherit its standard error."""
    arguments = [str(bars), "--seeds", "2", "--jobs", "2", *SMOKE, "--json", "--out", str(tmp_path / "out")]
    found = upcycle(*arguments, env=without_onnx)
    assert found.returncode == 0, found.stderr
    rows = json.loads(found.stdout)["rows"]
    assert [row["seed"] for row in rows] == [0, 1]
    assert all(f"bars-{seed}  teacher    finished in" in found.stderr for seed in (0, 1))
    again = CliRunner().invoke(command, arguments, catch_exceptions=False)  # finds both finished
    assert json.loads(again.stdout)["rows"] == rows


def test_what_is_wrong_with_a_data_set_is_one_line_from_a_process_of_its_own_too(
    bars: Path, tmp_path: Path, without_onnx: dict[str, str]
) -> None:
    assert pickle.loads(pickle.dumps(ConfigError("a", "b"))).problems == ("a", "b")
    missing = str(tmp_path / "missing.npz")
    arguments = [missing, str(bars), "--seeds", "1", "--jobs", "2", *SMOKE, "--out", str(tmp_path / "out")]
    found = upcycle(*arguments, env=without_onnx)
    assert found.returncode == 2 and "missing.npz" in found.stderr and "Traceback" not in found.stderr


@pytest.mark.parametrize(("jobs", "threads", "given"), [(1, 0, 0), (2, 0, 4), (3, 0, 2), (16, 0, 1), (2, 3, 3)])
def test_runs_beside_one_another_share_the_cores(jobs: int, threads: int, given: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_study, "physical_cores", lambda: 8)
    config = resolve("smoke", config_file=None, overrides=[f"threads={threads}"])
    assert _study._sharing(config, jobs, "local").threads == given
    assert _study._sharing(config, jobs, "ray://head:6379").threads == (threads or 1)


@pytest.mark.parametrize(("given", "seeds"), [("3", [0, 1, 2]), ("1-2", [1, 2]), ("2-2", [2])])
def test_seeds_of_a_study_may_be_run_apart(
    given: str, seeds: list[int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from upcycle import runs

    asked: list[int] = []
    monkeypatch.setattr(runs, "study", lambda data, out, config_of, seeds, **_: asked.extend(seeds) or ())
    (tmp_path / "study.md").write_text("")
    CliRunner().invoke(command, ["digits", "--seeds", given, "--out", str(tmp_path)], catch_exceptions=False)
    assert asked == seeds


@pytest.mark.parametrize("given", ["0", "2-1", "x", "1-", "-1"])
def test_seeds_that_are_none_are_refused_with_an_example(given: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(command, ["digits", f"--seeds={given}", "--out", str(tmp_path)])
    assert result.exit_code == 2 and f"Got {given}. Give 3 for 0 to 2, or 1-2." in " ".join(result.output.split())
