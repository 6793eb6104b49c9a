"""Several processes under torchrun, on the loopback address: what one process learns, they learn."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from safetensors.numpy import load_file

from tests.conftest import DIGITS_SETTINGS, SHORT
from upcycle._training import load_tensors
from upcycle._whole_batch import WholeBatch

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parent.parent
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo" if sys.platform == "linux" else "lo0"}
SETTINGS = (*DIGITS_SETTINGS, "augment.flip=none", "teacher.lr=0.001")  # at the usual rate a changed last bit is soon a tenth
DISTIL = ("distil", "digits", "--preset", "smoke", "--evidence", "none", *(w for s in SETTINGS for w in ("--set", s)), "--out")


def torchrun(processes: int) -> list[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = ["--nnodes", "1", "--nproc-per-node", str(processes), "--master-addr", "127.0.0.1", "--master-port", str(port)]
    return [sys.executable, "-m", "torch.distributed.run", *place]


def started(processes: int, *arguments: str | Path) -> subprocess.Popen[str]:
    command = [*(torchrun(processes) if processes > 1 else [sys.executable]), "-m", "upcycle", *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=ENVIRONMENT, cwd=ROOT, start_new_session=True)


def done(processes: int, *arguments: str | Path) -> str:
    """What the command prints."""
    process = started(processes, *arguments)
    printed, said = process.communicate(timeout=550)
    assert process.returncode == 0, printed + said
    return printed


def distilled(processes: int, out: Path) -> Path:
    printed = done(processes, *DISTIL, out)
    assert printed.count("student is ready") == 1, "the others say nothing"
    return out


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return distilled(1, tmp_path_factory.mktemp("one") / "run")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return distilled(2, tmp_path_factory.mktemp("two") / "run")


def weights(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*.safetensors"))}


def check_alike(one: Path, other: Path) -> None:
    """The same but for the order of float sums: weights to a thousandth of their length, of another seed it is a twentieth and
    more. Weights whose derivative is 0 but for rounding move at Adam's full rate; no image follows them."""
    names = sorted(str(path.relative_to(one)) for path in one.rglob("*.safetensors"))
    assert len(names) == 4, "teacher, two snapshots of the generator, student"
    for name in names:
        first, second = (np.concatenate([t.ravel() for t in load_file(out / name).values() if t.ndim]) for out in (one, other))
        assert np.linalg.norm(first - second) < 1e-3 * np.linalg.norm(first), name
    for array in ("images", "labels"):
        first, second = (np.load(out / "private" / "student" / "bank" / f"{array}.npy").astype(int) for out in (one, other))
        assert np.abs(first - second).max() <= (array == "images"), "at most one grey level"


def test_batch_normalisation_of_a_whole_batch_is_that_of_torch() -> None:
    torch.manual_seed(0)
    for affine in (True, False):
        norms = [torch.nn.BatchNorm1d(3, affine=affine, dtype=torch.float64) for _ in range(2)]
        x = torch.randn(8, 3, dtype=torch.float64, requires_grad=True)
        expected = norms[0](x)
        with WholeBatch(lambda moments: moments):
            found = norms[1](x)
        assert torch.allclose(found, expected, rtol=1e-12)
        assert torch.allclose(*(torch.autograd.grad((y**3).sum(), x)[0] for y in (found, expected)), rtol=1e-10)
        assert torch.allclose(norms[0].running_var, norms[1].running_var, rtol=1e-12)


def test_gradients_of_three_processes_are_those_of_one(tmp_path: Path) -> None:
    script = ROOT / "tests" / "gradients_together.py"
    command = [*torchrun(3), str(script), str(tmp_path / "apart.json")]
    subprocess.run(command, check=True, env=ENVIRONMENT, cwd=ROOT, timeout=300, capture_output=True)
    apart = json.loads((tmp_path / "apart.json").read_text())
    assert max(apart["classifier"].values()) < 1e-12
    assert max(apart["denoiser"].values()) < 1e-5


def test_two_processes_come_to_what_one_comes_to(one: Path, two: Path) -> None:
    check_alike(one, two)


def killed(out: Path, rank: int | None) -> str:
    """What a run of two processes says of which one, or all, were killed while the student learned."""
    process, resume = started(2, *DISTIL, out), out / "private" / "student" / "resume.pt"
    while not resume.exists() or not load_tensors(resume)["images_seen"]:
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    children = psutil.Process(process.pid).children(recursive=True)
    ranks = {int(child.environ()["RANK"]): child for child in children if "RANK" in child.environ()}
    assert sorted(ranks) == [0, 1]
    for victim in [*ranks.values(), process] if rank is None else [ranks[rank]]:
        victim.send_signal(signal.SIGKILL)
    _, said = process.communicate(timeout=60)
    assert process.returncode and not (out / "private" / "student" / "model.safetensors").exists()
    psutil.wait_procs(ranks.values(), timeout=30)
    assert not any(child.is_running() for child in ranks.values())
    return said


def test_one_process_is_killed_and_the_same_command_comes_to_the_same_bits(two: Path, tmp_path: Path) -> None:
    said = killed(tmp_path / "run", 1)
    assert said.count("upcycle: ") == 1 and ("Got one that ended before" in said or "The same command resumes" in said)
    assert weights(distilled(2, tmp_path / "run")) == weights(two)


def test_all_are_killed_and_one_process_goes_on(one: Path, tmp_path: Path) -> None:
    killed(tmp_path / "run", None)
    check_alike(one, distilled(1, tmp_path / "run"))


def test_an_error_ends_all_with_one_line(tmp_path: Path) -> None:
    process = started(2, *DISTIL, tmp_path / "run", "--device", "cuda")
    printed, said = process.communicate(timeout=120)
    lines = [line for line in said.splitlines() if line.startswith("upcycle: ")]
    assert process.returncode and not printed and len(lines) == 1
    assert lines[0].startswith("upcycle: error: device must be cpu where several processes of torchrun work.")


def test_a_whole_run_of_two_processes_ends_with_its_verdict(bars: Path, tmp_path: Path) -> None:
    settings = [word for setting in SHORT for word in ("--set", setting)]
    printed = done(2, "run", bars, "--preset", "smoke", "--evidence", "none", *settings, "--out", tmp_path / "run")
    assert printed.count("verdict  ") == 1 and (tmp_path / "run" / "private" / "report.html").exists()
    asked = json.loads((tmp_path / "run" / "private" / "release" / "options.json").read_text(encoding="utf-8"))
    assert (asked["onnx"], asked["torch_export"]) == (False, False), "release.programs=false: the weights alone"
    assert not list((tmp_path / "run" / "release").rglob("model.pt2"))
