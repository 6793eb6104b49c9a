"""The harnesses still fit the product: what they shorten exists, and what the fuzzer kept ends in values or in lines."""

import random
from importlib import import_module
from pathlib import Path

import pytest

pytest.importorskip("pyarrow", reason="extra parquet is not installed")

from benchmarks._fuzz_targets import TARGETS, names
from benchmarks._mutate import mutated
from benchmarks.fuzz import Watch, seeds_of
from benchmarks.reliability._damage import DAMAGES, _agree, _harmed
from benchmarks.reliability._points import Points
from benchmarks.reliability._soak import _refresh
from benchmarks.reliability._tiny import _QUICK

_TRIED = 25  # inputs of a target


@pytest.mark.parametrize(("module", "name", "quick"), _QUICK, ids=lambda each: getattr(each, "__name__", str(each)))
def test_what_a_run_of_seconds_leaves_out_is_still_where_it_was(module: str, name: str, quick: object) -> None:
    code, other = getattr(import_module(f"upcycle.{module}"), name).__code__, quick.__code__  # type: ignore[attr-defined]
    count = code.co_argcount + code.co_kwonlyargcount
    assert code.co_varnames[:count] == other.co_varnames[: other.co_argcount + other.co_kwonlyargcount]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of Pillow about damaged files, and of the harness's own archives with a name twice
@pytest.mark.parametrize("name", list(names()))
def test_whole_files_and_what_the_fuzzer_kept_end_in_values_or_lines(name: str, tmp_path: Path) -> None:
    watch, rng = Watch(name, TARGETS[name].run, tmp_path), random.Random(0)
    seeds = seeds_of(name)
    for data in [*seeds[:_TRIED], *(mutated(rng.choice(seeds), rng) for _ in range(_TRIED))]:
        watch(data)
    assert watch.findings == {}


def test_every_kind_of_damage_changes_a_file(tmp_path: Path) -> None:
    for kind, change in DAMAGES.items():
        path = tmp_path / kind
        path.write_bytes(b"a manifest")
        change(path)
        assert not path.exists() or path.read_bytes() != b"a manifest"


def test_a_damaged_file_that_nobody_read_is_no_difference_and_one_that_was_made_anew_otherwise_is(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"a manifest")
    harmed = _harmed(path, "cut")
    assert harmed()
    assert _agree({"a.json": "1", "b": "2"}, {"a.json": "0", "b": "2"}, "a.json", untouched=harmed())
    assert not _agree({"a.json": "1", "b": "3"}, {"a.json": "0", "b": "2"}, "a.json", untouched=harmed())
    path.write_bytes(b"another")
    assert not _agree({"a.json": "1", "b": "2"}, {"a.json": "0", "b": "2"}, "a.json", untouched=harmed())


def test_the_bank_of_the_soak_is_one_that_the_product_takes(tmp_path: Path) -> None:
    refresh = _refresh(tmp_path / "bank")
    refresh(0)
    before = sorted(path.name for path in tmp_path.rglob("*"))
    refresh(1)
    assert before == sorted(path.name for path in tmp_path.rglob("*"))


def test_a_kill_is_followed_to_the_end_of_its_stage_and_one_between_stages_to_the_end_of_the_run(tmp_path: Path) -> None:
    at = tuple(tmp_path / "points" / name for name in ("0000", "0001", "0002", "0002-torn", "0003"))
    points = Points(tmp_path / "whole", at, {2: "teacher"})
    assert points.next_end(at[1]) == ("teacher", tmp_path / "points" / "0002")
    assert points.next_end(at[2]) == points.next_end(at[4]) == (None, tmp_path / "whole")


def test_points_that_are_alike_are_tried_once(tmp_path: Path) -> None:
    for name, content in (("0000", "a"), ("0001", "a"), ("0002", "b")):
        (tmp_path / "points" / name).mkdir(parents=True)
        (tmp_path / "points" / name / "file").write_text(content)
    at = tuple(sorted((tmp_path / "points").iterdir()))
    assert Points(tmp_path / "whole", at, {}).distinct == [at[0], at[2]]
