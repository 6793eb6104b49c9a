"""Shadow runs: kept by content, resumed after a kill, equal on every backend."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.audit.pipelines.test_canaries import pool
from tests.audit.toy_pipelines import Constant, Memory, run_shadows
from upcycle._code_version import code_version, sources_hash
from upcycle.audit.pipeline_audit import audit
from upcycle.audit.pipelines._canaries import CanaryCounts
from upcycle.audit.pipelines._contract import Parts
from upcycle.audit.pipelines._design import make_design
from upcycle.audit.pipelines._plan import plan_for
from upcycle.audit.pipelines._runs import run_paths
from upcycle.errors import AuditInputError

PLAN = plan_for(
    "standard", pipelines=4, canaries=CanaryCounts(8, 4, 2), views=2, synthetic=50, n_jobs=1, seed=7, without_canaries=0
)


def calls(folder: Path) -> int:
    return len(list(folder.glob("call-*")))


def test_a_second_audit_of_the_same_content_runs_nothing_and_reads_the_same(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.mkdir()
    design, pipeline = make_design(pool(), PLAN), Memory(3.0, 4, log)
    told: list[tuple[int, int]] = []
    first = run_shadows(pipeline, design, PLAN, cache=tmp_path / "kept", report=lambda k, n, _: told.append((k, n)))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    again = run_shadows(pipeline, design, PLAN, cache=tmp_path / "kept", report=lambda k, n, _: told.append((k, n)))
    assert calls(log) == len(told) == 4
    assert all((first.logits[name] == again.logits[name]).all() for name in first.logits)
    assert first.logits["student"].shape == (4, 200, 2, 4)
    assert {"teacher", "student", "probe of the released pairs"} <= set(first.logits)


@pytest.mark.parametrize("change", ["pipeline", "records", "secret", "views"])
def test_other_content_is_kept_elsewhere(change: str, tmp_path: Path) -> None:
    base = run_paths(Memory(3.0, 4), make_design(pool(), PLAN), PLAN, tmp_path)
    pipeline, data, plan = Memory(3.0, 4), pool(), PLAN
    if change == "pipeline":
        pipeline = Memory(2.0, 4)
    elif change == "records":
        data = pool(seed=1)
    else:
        plan = replace(PLAN, seed=8) if change == "secret" else replace(PLAN, views=1)
    other = run_paths(pipeline, make_design(data, plan), plan, tmp_path)
    assert not set(base) & set(other)
    assert len(set(base)) == 4


def test_more_pipelines_reuse_those_that_are_there(tmp_path: Path) -> None:
    four, eight = make_design(pool(), PLAN), make_design(pool(), replace(PLAN, pipelines=8))
    pipeline = Memory(3.0, 4)
    assert run_paths(pipeline, eight, replace(PLAN, pipelines=8), tmp_path)[:4] == run_paths(pipeline, four, PLAN, tmp_path)


def test_a_damaged_file_is_run_again(tmp_path: Path) -> None:
    design, pipeline = make_design(pool(), PLAN), Constant()
    run_shadows(pipeline, design, PLAN, cache=tmp_path)
    paths = run_paths(pipeline, design, PLAN, tmp_path)
    paths[0].write_bytes(paths[0].read_bytes()[:1000])
    told: list[int] = []
    found = run_shadows(pipeline, design, PLAN, cache=tmp_path, report=lambda k, n, _: told.append(k))
    assert told == [4]
    assert (found.logits["student"][0] == found.logits["student"][1]).all()


def noted_by(path: Path, code: str) -> None:
    """Make a kept run one of other code."""
    with np.load(path) as saved:
        arrays = {name: saved[name] for name in saved.files if name != "code"}
    with path.open("wb") as file:
        np.savez(file, **arrays, code=np.array(code))


def test_audit_says_which_code_made_its_runs_and_how_many_versions_it_mixes(tmp_path: Path) -> None:
    design, pipeline = make_design(pool(), PLAN), Memory(3.0, 4)
    fresh = audit(pipeline, pool(), PLAN, cache=tmp_path)
    assert fresh.facts.code == {code_version(): 1.0}
    paths = run_paths(pipeline, design, PLAN, tmp_path)
    noted_by(paths[0], "upcycle 0.0.1, sources 01234567")
    noted_by(paths[3], "upcycle 0.0.2, sources 89abcdef")
    told: list[int] = []
    mixed = audit(pipeline, pool(), PLAN, cache=tmp_path, report=lambda k, n, _: told.append(k))
    assert not told
    others = {"upcycle 0.0.1, sources 01234567": 0.25, "upcycle 0.0.2, sources 89abcdef": 0.25}
    assert mixed.facts.code == {code_version(): 0.5, **others}
    assert mixed.rows == fresh.rows


def test_code_version_changes_with_any_source_and_with_nothing_else(tmp_path: Path) -> None:
    def package(name: str, files: dict[str, str]) -> str:
        for path, text in files.items():
            (tmp_path / name / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / path).write_text(text)
        return sources_hash(tmp_path / name)

    first = package("a", {"x.py": "1\n", "b/y.py": "2\n"})
    assert package("b", {"b/y.py": "2\n", "x.py": "1\n", "x.cpython-311.pyc": "z", "notes.txt": "3"}) == first
    others = [
        {"x.py": "1\n", "b/y.py": "3\n"},
        {"x.py": "1\n", "b/z.py": "2\n"},
        {"x.py": "1\n"},
        {"x.py": "1\n2\n", "b/y.py": ""},
    ]
    assert len({first, *(package(f"c{k}", files) for k, files in enumerate(others))}) == 5
    assert code_version() == code_version() and code_version().startswith("upcycle ")


def test_two_workers_find_what_one_finds(tmp_path: Path) -> None:
    design, pipeline = make_design(pool(), PLAN), Memory(3.0, 4)
    one = run_shadows(pipeline, design, PLAN)
    two = run_shadows(pipeline, design, replace(PLAN, n_jobs=2))
    assert all((one.logits[name] == two.logits[name]).all() for name in one.logits)


_KILLED = """
import sys
from pathlib import Path
from dataclasses import replace
from tests.audit.toy_pipelines import Memory, run_shadows
from tests.audit.pipelines.test_canaries import pool
from tests.audit.pipelines.test_runs import PLAN
from upcycle.audit.pipelines import make_design
log, kept = map(Path, sys.argv[1:])
run_shadows(Memory(3.0, 4, log, seconds=0.2), make_design(pool(), PLAN), PLAN, cache=kept)
"""


def test_a_killed_audit_goes_on_where_it_was(tmp_path: Path) -> None:
    log, kept = tmp_path / "log", tmp_path / "kept"
    log.mkdir()
    root = Path(__file__).parents[3]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(root / "src")])}
    process = subprocess.Popen([sys.executable, "-c", _KILLED, str(log), str(kept)], env=environment)
    try:
        until = time.monotonic() + 60
        while len(list(kept.glob("*.npz"))) < 2 and time.monotonic() < until:
            assert process.poll() is None
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = len(list(kept.glob("*.npz")))
    assert 2 <= done < 4
    for file in log.iterdir():
        file.unlink()
    design = make_design(pool(), PLAN)
    resumed = run_shadows(Memory(3.0, 4, log), design, PLAN, cache=kept)
    assert calls(log) == 4 - done
    whole = run_shadows(Memory(3.0, 4), design, PLAN)
    assert all((resumed.logits[name] == whole.logits[name]).all() for name in whole.logits)


def test_a_pipeline_that_cannot_be_recognised_is_not_kept(tmp_path: Path) -> None:
    with pytest.raises(AuditInputError, match="`key`"):
        run_shadows(lambda images, labels, *, seed: Parts(), make_design(pool(), PLAN), PLAN, cache=tmp_path)


def test_runs_that_differ_in_their_parts_are_refused() -> None:
    def moody(images: np.ndarray, labels: np.ndarray, *, seed: int) -> Parts:
        predict = Constant()(images, labels, seed=seed).student
        return Parts(student=predict, teacher=predict if seed % 2 else None)

    plan = replace(PLAN, pipelines=16)
    with pytest.raises(AuditInputError, match="same parts"):
        run_shadows(moody, make_design(pool(), plan), plan)
