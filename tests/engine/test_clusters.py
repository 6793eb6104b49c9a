"""A real Ray cluster of two nodes and a real Dask scheduler with two workers, on the loopback address."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from tests.audit.pipelines.test_canaries import pool
from tests.audit.pipelines.test_runs import PLAN
from tests.audit.toy_pipelines import Memory
from tests.conftest import SHORT
from tests.engine.pieces import DeadlyDisplay, DeadlyMemory, add, die_late, die_once, refuse
from upcycle._settings import resolve
from upcycle.audit.pipelines import Shadows, make_design, run_in
from upcycle.config import Config
from upcycle.engine import check_engine, fan_out
from upcycle.errors import ConfigError
from upcycle.runs import study

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]  # warnings of Ray and Dask are not ours
ROOT = Path(__file__).parents[2]
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # makes Ray take 127.0.0.1 for the address of a node
    "RAY_worker_niceness": "0",  # 15 by default: on a busy machine its workers would hardly start
}
_RAY = """
import sys
from ray.cluster_utils import Cluster
node = {"num_cpus": 1, "node_ip_address": "127.0.0.1", "object_store_memory": 10**8}
cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
cluster.add_node(**node)
print(cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
"""
_DASK = """
import sys
from distributed import LocalCluster
if __name__ == "__main__":
    quiet = {"dashboard_address": "127.0.0.1:0", "worker_dashboard_address": None}
    cluster = LocalCluster(n_workers=2, threads_per_worker=int(sys.argv[1]), processes=True, host="127.0.0.1", **quiet)
    print(cluster.scheduler_address.removeprefix("tcp://"), flush=True)
    sys.stdin.read()
    cluster.close()
"""


def started(script: str, folder: Path, *arguments: str) -> tuple[subprocess.Popen[str], str]:
    """A process that runs a cluster until its standard input ends, and the address of that cluster."""
    path = folder / "cluster.py"
    path.write_text(script)
    where = {**os.environ, **_QUIET, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    with (folder / "log").open("w") as log:
        command = [sys.executable, str(path), *arguments]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=where)
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


@pytest.fixture(scope="module", params=["ray", "dask"])
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    os.environ.update(_QUIET)  # and not for this test alone: Ray reads them once, when it is first imported
    pytest.importorskip({"ray": "ray", "dask": "distributed"}[request.param])
    script, arguments = {"ray": (_RAY, ()), "dask": (_DASK, ("1",))}[request.param]
    process, address = started(script, tmp_path_factory.mktemp(request.param), *arguments)
    try:
        yield f"{request.param}://{address}"
    finally:
        process.communicate(timeout=60)


def test_pieces_come_back_and_errors_keep_their_problems(cluster: str, tmp_path: Path) -> None:
    assert sorted(fan_out(add, 10, [3, 1, 2], engine=cluster)) == [(0, 13), (1, 11), (2, 12)]
    with pytest.raises(ConfigError) as caught:
        list(fan_out(refuse, 0, [1], engine=cluster))
    assert len(caught.value.problems) == 2
    assert sorted(fan_out(die_once, tmp_path, range(8), engine=cluster)) == [(k, k) for k in range(8)]


def test_work_goes_on_when_the_only_worker_with_the_shared_value_dies(cluster: str, tmp_path: Path) -> None:
    assert list(fan_out(die_late, tmp_path, [7], engine=cluster)) == [(0, 7)]


def test_a_folder_that_workers_do_not_see_is_one_line(cluster: str, tmp_path: Path) -> None:
    check_engine(cluster, [str(tmp_path)])
    with pytest.raises(ConfigError, match="must see the folders of this machine"):
        check_engine(cluster, [str(tmp_path / "elsewhere")])


def shadows(pipeline: Memory, folder: Path, engine: str) -> Shadows:
    plan = replace(PLAN, pipelines=8, engine=engine, n_jobs=0)
    folder.mkdir()
    return run_in(folder, pipeline, make_design(pool(), plan), plan)


def test_an_audit_of_eight_pipelines_has_the_bits_of_a_local_one_though_a_worker_dies(cluster: str, tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    calls.mkdir()
    here = shadows(Memory(3.0, 4), tmp_path / "here", "local")
    there = shadows(DeadlyMemory(3.0, 4, calls, seconds=0.2), tmp_path / "there", cluster)
    assert (calls / "died").exists()
    assert all((here.logits[name] == there.logits[name]).all() for name in here.logits)
    assert all((here.scores[name] == there.scores[name]).all() for name in here.scores)
    seeds = [path.name.split("-")[1] for path in calls.glob("call-*")]
    assert len(set(seeds)) == 8  # nothing lost
    # nothing done twice but, with Dask, an answer that lay on the dead worker and had not been fetched yet
    assert len(seeds) <= (9 if cluster.startswith("dask") else 8)


def rows_of(data: Path, out: Path, engine: str, seeds: Sequence[int], **how: object) -> list[dict[str, object]]:
    found = list(study([str(data)], out, _config, seeds, engine=engine, **how))  # type: ignore[arg-type]
    kept = ("seed", "student_accuracy", "baseline_accuracy", "right")
    return sorted(({name: row[name] for name in kept} for row in found), key=lambda row: row["seed"])


def _config(seed: int) -> Config:
    return resolve("smoke", config_file=None, overrides=SHORT, seed=seed)


@pytest.fixture(scope="module")
def alone(bars: Path, tmp_path_factory: pytest.TempPathFactory, plain_ends: None) -> list[dict[str, object]]:
    """The rows of two local runs."""
    return rows_of(bars, tmp_path_factory.mktemp("here") / "out", "local", range(2))


def test_a_study_of_four_runs_has_the_rows_of_a_local_one_though_a_worker_dies(
    cluster: str, bars: Path, alone: list[dict[str, object]], tmp_path: Path
) -> None:
    there = rows_of(bars, tmp_path / "there", cluster, range(4), display_of=partial(DeadlyDisplay.once, tmp_path / "died"))
    assert (tmp_path / "died").exists()
    assert [row["seed"] for row in there] == [0, 1, 2, 3]
    assert there[:2] == alone, "also the run whose first worker died"
    assert len(json.loads((tmp_path / "there" / "study.json").read_text())["rows"]) == 4


def test_workers_of_several_threads_are_refused_in_one_line(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    process, address = started(_DASK, tmp_path, "2")
    try:
        with pytest.raises(ConfigError, match=r"workers of one thread each\. Got workers of 2 threads\. .* --nthreads 1"):
            check_engine(f"dask://{address}")
    finally:
        process.communicate(timeout=60)


def test_a_port_at_which_something_else_listens_is_one_line(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    server = subprocess.Popen(
        [sys.executable, "-m", "http.server", "0", "--bind", "127.0.0.1"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}, cwd=tmp_path,
    )  # fmt: skip
    try:
        assert server.stdout is not None
        port = server.stdout.readline().split("port ")[1].split()[0]
        start = time.monotonic()
        with pytest.raises(ConfigError, match="where something else answers"):
            check_engine(f"dask://127.0.0.1:{port}")
        assert time.monotonic() - start < 30
    finally:
        server.kill()
        server.communicate()
