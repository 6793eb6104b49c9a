"""Every file of a run folder flipped, cut, emptied and deleted, at every stage and when finished; then every command."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.reliability._points import Recorder, copy_run
from benchmarks.reliability._sample import sampled
from benchmarks.reliability._tiny import Case, Outcome, call, fingerprint

Damage = Callable[[Path], object]


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    if content:
        content[len(content) * 2 // 3] ^= 4
        path.write_bytes(bytes(content))


DAMAGES: dict[str, Damage] = {
    "flip": _flip,
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "empty": lambda path: path.write_bytes(b""),
    "delete": lambda path: path.unlink(),
}
_LOOKING = ("show", "compare")
_UNREAD = (".lock", ".lock-holder.json")


def damage(case: Case, data: Path, folder: Path, most: int | None) -> Iterator[dict[str, Any]]:
    """A row for half-done runs, and one per command for the finished one. Commands that make nothing are quick: of them ten times
    as many points are tried."""
    whole, points, other = folder / "whole", folder / "points", folder / "other"
    points.mkdir(parents=True)
    first = call(case.arguments(data, whole), Recorder(whole, _after_manifests(whole, points)).install)
    assert first.code == 0, first.text
    shutil.copytree(whole, other)
    commands: dict[str, Callable[[Path], list[str]]] = {
        "show": lambda run: ["show", str(run)],
        "compare": lambda run: ["compare", str(run), str(other)],
        "run": lambda run: case.arguments(data, run),
        "release": lambda run: ["release", str(run), "--images", "20"],
        "audit": lambda run: case.arguments(data, run, "audit"),
        "report": lambda run: case.arguments(data, run, "report"),
    }
    for name, command in commands.items():
        some = most if most is None or name not in _LOOKING else 10 * most
        yield _finished(case, data, whole, folder, name, command, some)
    yield _half_done(case, data, whole, points, folder, most)


def _after_manifests(root: Path, folder: Path) -> Callable[[int, str, str], None]:
    """A `keep` that copies the folder at the first write after every manifest."""
    armed = [False]

    def keep(number: int, event: str, path: str) -> None:
        if armed[0]:
            copy_run(root, folder / f"{number:04d}")
        armed[0] = event == "os.rename" and Path(path).name == "manifest.json"

    return keep


def _half_done(case: Case, data: Path, whole: Path, points: Path, folder: Path, most: int | None) -> dict[str, Any]:
    row = _row("damage", case.name, "half-done: run")
    bits, trial = fingerprint(whole), folder / "trial"
    every = [(point, *found) for point in sorted(points.iterdir()) for found in _damages(point)]
    row["of"] = len(every)
    for point, name, kind in sampled(every, most):
        _copy(point, trial)
        DAMAGES[kind](trial / name)
        result = call(case.arguments(data, trial))
        _count(row, result, name, f"{point.name} {kind}", same=fingerprint(trial) == bits)
    return row


def _finished(
    case: Case, data: Path, whole: Path, folder: Path, name: str, command: Callable[[Path], list[str]], most: int | None
) -> dict[str, Any]:
    row, trial = _row("damage", case.name, f"finished: {name}"), folder / "trial"
    _copy(whole, trial)
    wanted = _seen(call(command(trial)), trial, name)
    every = list(_damages(whole))
    row["of"] = len(every)
    for path, kind in sampled(every, most):
        _copy(whole, trial)
        DAMAGES[kind](trial / path)
        result = call(command(trial))
        _count(row, result, path, kind, same=_seen(result, trial, name) == wanted)
        if result.code == 2:
            row["remedied"] += _remedied(case, data, trial, command, name, wanted, result)
    return row


def _remedied(
    case: Case, data: Path, trial: Path, command: Callable[[Path], list[str]], name: str, wanted: object, result: Outcome
) -> bool:
    """Whether the command comes to what it should after what its line says was done."""
    if "upcycle release RUN" in result.text:
        call(["release", str(trial), "--images", "20"])
    else:
        call(case.arguments(data, trial))
    again = call(command(trial))
    return again.code == 0 and (name == "show" or "release RUN" in result.text or _seen(again, trial, name) == wanted)


def _seen(result: Outcome, trial: Path, name: str) -> object:
    """What a user has of a command: what it printed, or what it left."""
    if name in ("show", "compare"):
        return result.text
    return fingerprint(trial / "release") if name == "release" else fingerprint(trial)


def _damages(root: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(root.rglob("*")):
        if path.is_file() and path.name not in _UNREAD:
            for kind in DAMAGES:
                yield path.relative_to(root).as_posix(), kind


def _copy(source: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)


def _row(harness: str, case: str, what: str) -> dict[str, Any]:
    row: dict[str, Any] = {"harness": harness, "case": case, "what": what, "of": 0, "points": 0, "survived": 0, "named": 0}
    return row | {"silent": 0, "tracebacks": 0, "unnamed": 0, "remedied": 0, "lost": []}


def _count(row: dict[str, Any], result: Outcome, name: str, how: str, *, same: bool) -> None:
    """`survived`: the same result, be it that the file is not used or that it was made again."""
    named = result.code == 2 and Path(name).name in result.text
    row["points"] += 1
    row["survived"] += result.code in (0, 3) and same
    row["silent"] += result.code in (0, 3) and not same
    row["tracebacks"] += result.broke
    row["named"] += named
    row["unnamed"] += result.code == 2 and not named
    if result.broke or (result.code in (0, 3) and not same) or (result.code == 2 and not named):
        row["lost"].append(f"{how} {name}: code {result.code} {result.text.strip()[-200:]}")
