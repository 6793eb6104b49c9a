"""Nothing is sent: over the list of commands no name is looked up, no socket connected, and no file left outside the named places.

All commands run in one process, on toy sets. Where the system lets a user have a network namespace, that is in one whose only name server is ours: it also sees look-ups
made by compiled libraries. Everywhere an audit hook of Python, in every process that the commands start, watches sockets and files.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest

from tests.conftest import SHORT, blobs

pytest.importorskip("pydicom", reason="needs upcycle[medical]")
pytest.importorskip("nibabel", reason="needs upcycle[medical]")
pytest.importorskip("datasets", reason="needs upcycle[hf]")
pytest.importorskip("onnxruntime", reason="needs upcycle[onnx]")

from tests.data.readers.test_dicom import study
from tests.data.readers.test_hf import table
from tests.data.readers.test_nifti import scans
from tests.data.test_read import folder_of_classes

SOURCES = Path(__file__).parent.parent / "src"
NAMED = (".cache/upcycle", ".cache/matplotlib", ".config/matplotlib", ".cache/huggingface")  # in SECURITY.md, too

HOOK = """
import os, sys
_allowed = tuple(os.environ["WATCH_ALLOWED"].split(os.pathsep))
_log = os.open(os.environ["WATCH_LOG"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
_busy = False

def _watch(event, args):
    global _busy
    if _busy:
        return
    said = None
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo"):
        said = f"{event} {args[0]!r}"
    elif event in ("socket.connect", "socket.sendto", "socket.sendmsg") and args[0].family.name != "AF_UNIX":
        said = f"{event} {args[1]!r}"
    elif event == "open" and isinstance(args[0], str) and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR):
        said = _outside("open", args[0])
    elif event in ("os.mkdir", "os.rename", "os.link", "os.symlink", "shutil.move"):
        said = _outside(event, args[1] if event in ("os.rename", "os.link", "os.symlink") else args[0])
    if said:
        _busy = True
        os.write(_log, (said + "\\n").encode("utf-8", "replace"))
        _busy = False

def _outside(event, path):
    path = os.path.abspath(os.fsdecode(path)) if isinstance(path, (str, bytes, os.PathLike)) else ""
    above = event == "os.mkdir" and any(place.startswith(path + "/") for place in _allowed)  # ~/.cache of ~/.cache/matplotlib
    return None if not path or above or path.startswith(_allowed) else f"{event} {path}"

sys.addaudithook(_watch)
"""

NAMESPACE = """
import fcntl, json, os, socket, struct, subprocess, sys, threading
asked = []
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
    fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh", b"lo", 1 | 64))  # SIOCSIFFLAGS: up and running
resolver = os.environ["TMPDIR"] + "/resolv.conf"
open(resolver, "w").write("nameserver 127.0.0.1\\noptions timeout:1 attempts:1\\n")
subprocess.run(["mount", "--bind", resolver, "/etc/resolv.conf"], check=True)
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))

def listen():
    while True:
        asked.append(repr(server.recv(512)[12:80]))

threading.Thread(target=listen, daemon=True).start()
if sys.argv[1] == "probe":
    subprocess.run([sys.executable, "-c", "import socket\\ntry: socket.getaddrinfo('a.example', 1)\\nexcept OSError: pass"])
codes = [subprocess.run(command).returncode for command in json.loads(sys.argv[2])]
open(os.environ["TMPDIR"] + "/asked.json", "w").write(json.dumps([asked, codes]))
"""


DRIVER = """
import json, os, sys
from upcycle.cli import main

codes = []
for arguments in json.loads(sys.argv[1]):
    try:
        main(arguments)
    except SystemExit as ended:
        codes.append(ended.code or 0)
    with open(os.environ["TMPDIR"] + "/codes.json", "w") as file:
        json.dump(codes, file)
"""


def environment(root: Path) -> dict[str, str]:
    """An environment whose home and temporary folder are watched, and whose Python processes carry the hook."""
    for name in ("home", "tmp", "hook"):
        (root / name).mkdir()
    (root / "hook" / "sitecustomize.py").write_text(HOOK)
    named = [str(root / "home" / name) for name in NAMED]
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT") if name in os.environ}
    return {
        **kept,
        "HOME": str(root / "home"),
        "TMPDIR": str(root / "tmp"),
        "PYTHONPATH": os.pathsep.join([str(root / "hook"), str(SOURCES)]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "WATCH_LOG": str(root / "hook" / "log.txt"),
        "WATCH_ALLOWED": os.pathsep.join([str(root / "out"), str(root / "tmp"), *named, "/dev/", "/proc/self/"]),
    }


def can_have_a_namespace() -> bool:
    try:
        return subprocess.run(["unshare", "--map-root-user", "--net", "--mount", "true"], capture_output=True).returncode == 0
    except OSError:
        return False


SETS = [word for setting in SHORT for word in ("--set", setting)]
SMOKE = ["--preset", "smoke", *SETS]


def inputs(root: Path) -> dict[str, str]:
    """Data of every kind that an optional library reads, scores, and places for results, by name."""
    images, labels = blobs()
    scores = np.random.default_rng(0).normal(size=(2, 60))
    np.savez(root / "data.npz", images=images, labels=labels)
    np.savez(root / "scores.npz", member=np.arange(60) % 2 == 0, **{"student/loss": scores[0], "teacher/loss": scores[1]})
    (root / "volumes").mkdir()
    table(images, labels).to_parquet(root / "data.parquet")
    places = {name: str(root / "out" / name) for name in ("run", "other", "page.html", "study", "frontier", "demo")}
    made = {"data": root / "data.npz", "scores": root / "scores.npz", "parquet": root / "data.parquet"}
    made |= {
        "dicom": study(root / "dicom", n=60),
        "nifti": scans(root / "volumes"),
        "image": next(iter(folder(root).rglob("*.png"))),
    }
    return {**places, **{name: str(path) for name, path in made.items()}}


def folder(root: Path) -> Path:
    return folder_of_classes(root / "classes")


def quick_ones(at: dict[str, str]) -> list[list[str]]:
    """Every command that works on files and takes seconds, on one run, with every optional library."""
    formats = [option for name in ("npz", "folders", "webdataset", "parquet") for option in ("--format", name)]
    other = [at["data"], "--out", at["other"], *SMOKE]
    return [
        *(["check", at[kind]] for kind in ("data", "parquet", "dicom", "nifti")),
        ["run", at["data"], "--out", at["run"], *SMOKE, "--evidence", "none", "--tensorboard"],
        *([name, *other] for name in ("train-teacher", "train-generator", "distil", "audit")),
        ["show", at["run"]],
        ["compare", at["run"], at["other"], "--html", at["page.html"]],
        ["report", at["data"], "--out", at["run"], *SMOKE, "--evidence", "none"],
        ["release", at["run"], "--images", "20", "--yes", "--onnx", "--torch-export", *formats],
        ["predict", at["run"], at["image"]],
        ["verify", f"{at['run']}/release"],
        ["audit-scores", at["scores"]],
        ["audit-power"],
    ]


def slow_ones(at: dict[str, str]) -> list[list[str]]:
    """The commands that train many networks: on the run of `quick_ones`, and on small sets."""
    return [
        ["run", at["data"], "--out", at["run"], *SMOKE, "--evidence", "none"],
        ["audit", at["run"], "--budget", "quick", "--jobs", "1"],
        ["study", at["data"], "--seeds", "1", "--out", at["study"], *SMOKE],
        ["frontier", at["data"], "--out", at["frontier"], "--pipelines", "4", "--jobs", "1", *SMOKE],
        ["demo", "--out", at["demo"], *SETS],
        ["audit-selftest"],
    ]


def left_in_home(root: Path) -> list[str]:
    home = root / "home"
    names = [path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()]
    return [name for name in names if not name.startswith(NAMED)]


def check_that_nothing_is_sent(root: Path, asked: list[list[str]]) -> None:
    surroundings = environment(root)
    (root / "out").mkdir()
    worker = [sys.executable, "-c", DRIVER, json.dumps(asked)]
    if can_have_a_namespace():
        worker = [
            "unshare",
            "--map-root-user",
            "--net",
            "--mount",
            sys.executable,
            "-c",
            NAMESPACE,
            "run",
            json.dumps([worker]),
        ]
    done = subprocess.run(worker, env=surroundings, cwd=root / "tmp", capture_output=True, text=True, errors="replace")
    codes = json.loads((root / "tmp" / "codes.json").read_text()) if (root / "tmp" / "codes.json").exists() else []
    assert len(codes) == len(asked) and set(codes) <= {0, 3}, (codes, done.stdout[-3_000:], done.stderr[-3_000:])
    if (root / "tmp" / "asked.json").exists():
        assert json.loads((root / "tmp" / "asked.json").read_text())[0] == [], "names that were looked up"
    assert (root / "hook" / "log.txt").read_text().splitlines() == []
    assert left_in_home(root) == []


@pytest.mark.slow
def test_no_command_looks_up_a_name_connects_or_writes_outside_the_named_places(tmp_path: Path) -> None:
    check_that_nothing_is_sent(tmp_path, quick_ones(inputs(tmp_path)))


@pytest.mark.slow
@pytest.mark.skipif("UPCYCLE_LONG_TESTS" not in os.environ, reason="takes minutes; set UPCYCLE_LONG_TESTS")
def test_no_command_that_trains_many_networks_does_either(tmp_path: Path) -> None:
    check_that_nothing_is_sent(tmp_path, slow_ones(inputs(tmp_path)))


def test_the_lists_hold_every_command() -> None:
    from upcycle.cli import cli

    at = dict.fromkeys(
        ("data", "parquet", "dicom", "nifti", "image", "scores", "run", "other", "page.html", "study", "frontier", "demo"), ""
    )
    assert {arguments[0] for arguments in [*quick_ones(at), *slow_ones(at)]} == set(cli.list_commands(click.Context(cli)))


def test_the_name_server_hears_a_look_up(tmp_path: Path) -> None:
    """Otherwise the test above proves nothing."""
    if not can_have_a_namespace():
        pytest.skip("no network namespace to be had here")
    inside = ["unshare", "--map-root-user", "--net", "--mount", sys.executable, "-c", NAMESPACE, "probe", "[]"]
    subprocess.run(inside, env=environment(tmp_path), check=True)
    looked_up, _ = json.loads((tmp_path / "tmp" / "asked.json").read_text())
    assert any("example" in packet for packet in looked_up)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import socket; socket.getaddrinfo('localhost', 1)", "socket.getaddrinfo 'localhost'"),
        ("import socket; s = socket.socket(); s.settimeout(0.1); s.connect_ex(('127.0.0.1', 9))", "socket.connect"),
        ("import pathlib; pathlib.Path.home().joinpath('x').write_text('')", "open "),
        ("import os, pathlib; os.mkdir(pathlib.Path.home() / 'd')", "os.mkdir "),
    ],
)
def test_the_hook_sees_sockets_and_files(code: str, said: str, tmp_path: Path) -> None:
    """Otherwise the tests above prove nothing."""
    surroundings = environment(tmp_path)
    subprocess.run([sys.executable, "-c", code], env=surroundings, check=False, capture_output=True)
    assert said in (tmp_path / "hook" / "log.txt").read_text()
