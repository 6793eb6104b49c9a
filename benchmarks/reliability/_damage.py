"""Every file of a run folder flipped, cut, emptied and deleted, at every stage and when finished; then every command."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.reliability._points import Points, follow, recorded
from benchmarks.reliability._sample import sampled
from benchmarks.reliability._tiny import Case, Outcome, call, fingerprint

Damage = Callable[[Path], object]
Commands = dict[str, Callable[[Path], list[str]]]


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
_LOOKING = ("show", "compare")  # commands that make nothing
_WALKING = ("run", "audit", "report")  # commands that go on with a run
_UNREAD = (".lock", ".lock-holder.json")


def damage(case: Case, data: Path, folder: Path, most: int | None) -> Iterator[dict[str, Any]]:
    """A row per command for the finished run, and one per command for the run at the end of every stage.

    With `most` None every file of the finished run is damaged in all four ways; at the end of a stage each is damaged in one way,
    the next way at the next stage, so that every file is tried at every stage and in every way at some. Commands that make nothing
    are quick: of them ten times as many points are tried where `most` is given.
    """
    points, other = recorded(lambda out: case.arguments(data, out), folder), folder / "other"
    _copy(points.whole, other)
    commands: Commands = {
        "show": lambda run: ["show", str(run)],
        "compare": lambda run: ["compare", str(run), str(other)],
        "release": lambda run: ["release", str(run), "--images", "20"],
        **{name: lambda run, name=name: case.arguments(data, run, name) for name in _WALKING},  # type: ignore[misc]
    }
    for name, command in commands.items():
        some = most if most is None or name not in _LOOKING else 10 * most
        yield _finished(case, data, points.whole, folder, name, command, some)
        yield _half_done(case, points, folder, name, command, some)


def _half_done(
    case: Case, points: Points, folder: Path, name: str, command: Callable[[Path], list[str]], most: int | None
) -> dict[str, Any]:
    """Damage behind every manifest but the last. A command that goes on with the run is followed to the next manifest."""
    row = _row("damage", case.name, f"half-done: {name}")
    stages = [point for point in points.at if points.number(point) in points.ends and point.name.isdigit()][:-1]
    every = [(point, *found) for k, point in enumerate(stages) for found in _in_turn(point, k)]
    row["of"] = len(every)
    wanted: dict[Path, object] = {}
    ends: dict[Path, object] = {}
    for point, path, kind in sampled(every, most):
        stage, expected = points.after(point)
        trial = folder / "trial"
        if point not in wanted:
            _copy(point, trial)
            wanted[point] = fingerprint(expected) if name in _WALKING else _seen(call(command(trial)), trial, name)
        _copy(point, trial)
        harmed = _harmed(trial / path, kind)
        result = follow(command(trial), trial, stage) if name in _WALKING else call(command(trial))
        same = _agree(_seen(result, trial, name), wanted[point], path, untouched=harmed())
        if name in _WALKING and result.code == 0 and not same:  # some files are looked at later than at the next stage
            result = call(command(trial))
            if point not in ends:
                ends[point] = _end(command, point, folder / "end", name)
            same = _agree(_seen(result, trial, name), ends[point], path, untouched=harmed())
        _count(row, result, path, f"{point.name} {kind}", same=same, looking=name in _LOOKING)
    return row


def _end(command: Callable[[Path], list[str]], point: Path, folder: Path, name: str) -> object:
    """What the command leaves at its end, begun at `point` with nothing damaged."""
    _copy(point, folder)
    return _seen(call(command(folder)), folder, name)


def _harmed(path: Path, kind: str) -> Callable[[], bool]:
    """Damage the file; returns whether it still is as that left it."""
    DAMAGES[kind](path)
    left = path.read_bytes() if path.exists() else None
    return lambda: (path.read_bytes() if path.exists() else None) == left


def _agree(found: object, wanted: object, path: str, *, untouched: bool) -> bool:
    """Whether a command came to the same. A damaged file that it neither read nor made again is no difference."""
    if untouched and isinstance(found, dict) and isinstance(wanted, dict):
        return {k: v for k, v in found.items() if k != path} == {k: v for k, v in wanted.items() if k != path}
    return found == wanted


def _in_turn(point: Path, turn: int) -> Iterator[tuple[str, str]]:
    """Every file with one of the kinds of damage."""
    kinds = list(DAMAGES)
    yield from ((path, kinds[(k + turn) % len(kinds)]) for k, path in enumerate(_files(point)))


def _finished(
    case: Case, data: Path, whole: Path, folder: Path, name: str, command: Callable[[Path], list[str]], most: int | None
) -> dict[str, Any]:
    row, trial = _row("damage", case.name, f"finished: {name}"), folder / "trial"
    _copy(whole, trial)
    wanted = _seen(call(command(trial)), trial, name)
    every = [(path, kind) for path in _files(whole) for kind in DAMAGES]
    row["of"] = len(every)
    for path, kind in sampled(every, most):
        _copy(whole, trial)
        harmed = _harmed(trial / path, kind)
        result = call(command(trial))
        same = _agree(_seen(result, trial, name), wanted, path, untouched=name in _WALKING and harmed())
        _count(row, result, path, kind, same=same, looking=name in _LOOKING)
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
    """What a user has of a command: what it printed, or what it left, or its refusal."""
    if name in _LOOKING or result.code == 2:
        return result.text
    return fingerprint(trial / "release") if name == "release" else fingerprint(trial)


def _files(root: Path) -> list[str]:
    found = [path.relative_to(root).as_posix() for path in sorted(root.rglob("*")) if path.is_file()]
    return [name for name in found if Path(name).name not in _UNREAD]


def _copy(source: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)


def _row(harness: str, case: str, what: str) -> dict[str, Any]:
    row: dict[str, Any] = {"harness": harness, "case": case, "what": what, "of": 0, "points": 0, "survived": 0, "named": 0}
    return row | {"silent": 0, "tracebacks": 0, "unnamed": 0, "remedied": 0, "lost": []}


def _count(row: dict[str, Any], result: Outcome, name: str, how: str, *, same: bool, looking: bool) -> None:
    """`survived`: the same result, a refusal included, be it that the file is not used or that it was made again. `named`: refused with the file's
    name, or, by a command that makes nothing, shown with it as what is missing; of a manifest also the name of its stage."""
    path, fine = Path(name), result.code in (0, 3) or (same and not result.broke)
    words = (path.name, path.parent.name) if path.name == "manifest.json" else (path.name,)
    told = any(word in result.text for word in words) and not result.broke
    named = told and not same and (result.code == 2 or (looking and fine))
    row["points"] += 1
    row["survived"] += fine and same
    row["tracebacks"] += result.broke
    row["named"] += named
    row["silent"] += fine and not same and not named
    row["unnamed"] += result.code == 2 and not named and not same
    if not named and not (fine and same):
        row["lost"].append(f"{how} {name}: code {result.code} {result.text.strip()[-200:]}")
