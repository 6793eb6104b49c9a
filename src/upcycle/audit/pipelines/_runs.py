"""Shadow pipelines: the whole pipeline, choices included, run on complementary halves; kept by content, resumable, fanned out.

Every pipeline is also a target (Aerni et al. 2024). A finished run is a file named by the hash of all that it follows from,
so an audit that was killed continues where it stopped, and every attack and threat model reads the same answers.
"""

import hashlib
import json
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from upcycle._code_version import code_version
from upcycle._files import write_arrays
from upcycle.audit.attacks import CATALOGUE, Attack
from upcycle.audit.pipelines._canaries import Records
from upcycle.audit.pipelines._contract import CONTROL, Pipeline
from upcycle.audit.pipelines._design import Design
from upcycle.audit.pipelines._plan import AuditPlan
from upcycle.audit.pipelines._questions import Answers, RunFacts, ask, ask_accuracies
from upcycle.engine import fan_out
from upcycle.errors import AuditInputError

FORMAT = 3  # of the questions and of the files; another number makes old files strangers
Report = Callable[[int, int, float], None]
"""Called with (runs finished, runs in all, seconds of work of the last one)."""


@dataclass(frozen=True, eq=False)
class Shadows:
    """The answers of all pipelines of a design, in its order.

    Attributes:
        design: records, canaries and coins.
        logits: float32 (pipelines, records, views, classes) by name.
        scores: float32 (pipelines, records) by name.
        facts: of every pipeline.
        seconds: float64 (pipelines,), of work.
        code: version of the code that made each pipeline's answers.
        without_canaries: accuracies by classifier of the first pipelines run again on the records as they are.
    """

    design: Design
    logits: Mapping[str, np.ndarray]
    scores: Mapping[str, np.ndarray]
    facts: Sequence[RunFacts]
    seconds: np.ndarray
    code: Sequence[str] = ()
    without_canaries: Sequence[Mapping[str, float]] = ()


@dataclass(frozen=True, eq=False)
class _Run:
    """One run to make: the pipeline is given the `members`; it is asked for its accuracies only where it is `plain`."""

    members: np.ndarray
    seed: int
    plain: bool = False


@dataclass(frozen=True, eq=False)
class _Work:
    """What all runs of an audit have in common, sent to each worker once."""

    pipeline: Pipeline
    design: Design
    plan: AuditPlan
    catalogue: tuple[Attack, ...]


_Task = tuple[_Run, Path]  # the path is where the answers are kept


@dataclass(frozen=True, eq=False)
class KeptRun:
    """A finished run: its answers, seconds of work, and the version of the code that made it."""

    answers: Answers
    seconds: float
    code: str


@contextmanager
def kept_runs(pipeline: Pipeline, cache: Path | None) -> Iterator[Path]:
    """The folder `cache`, or one for the while. Raises AuditInputError for a pipeline without a `key` where one is given."""
    if cache is None:
        with tempfile.TemporaryDirectory(prefix="shadows-") as folder:
            yield Path(folder)
        return
    if not getattr(pipeline, "key", ""):
        raise AuditInputError(
            "a pipeline whose runs are kept must have a `key` that changes with its settings. Got none. Set one."
        )
    cache.mkdir(parents=True, exist_ok=True)
    yield cache


def run_paths(
    pipeline: Pipeline, design: Design, plan: AuditPlan, cache: Path, catalogue: Sequence[Attack] = CATALOGUE
) -> list[Path]:
    """Where the answers of every run are kept, those without canaries last: a hash of records, coin flips, seed, questions and
    the pipeline's key."""
    questions = plan.questions(catalogue)
    asked = [plan.views, plan.synthetic, plan.searched, [attack.name for attack in questions.attacks]]
    base = json.dumps([FORMAT, str(getattr(pipeline, "key", "")), *asked]).encode()
    hashes = {plain: _hash_of(given, base) for given, plain in ((design.records, False), (design.plain, True)) if given}
    paths = []
    for run in _runs(design, plan):
        own = hashes[run.plain].copy()
        own.update(np.packbits(run.members).data)
        own.update(str(run.seed).encode())
        paths.append(cache / f"{own.hexdigest()}.npz")
    return paths


def _hash_of(records: Records, asked: bytes) -> hashlib.blake2b:
    shared = hashlib.blake2b(digest_size=16)
    for array in (records.images, records.labels, records.copies, records.true_labels):
        shared.update(np.ascontiguousarray(array).data)
    shared.update(asked)
    return shared


def _runs(design: Design, plan: AuditPlan) -> list[_Run]:
    """The pipelines of a design in its order, and then the first ones again without canaries, where there are some."""
    whole = [_Run(*own) for own in zip(design.members, design.seeds, strict=True)]
    if design.plain is None:
        return whole
    return whole + [replace(run, plain=True) for run in whole[: plan.without_canaries]]


def read_answers(path: Path) -> KeptRun | None:
    """A finished run; None where there is none, or a damaged one."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as saved:  # a damaged file is closed, too
            arrays = {name: saved[name] for name in saved.files}
        facts = json.loads(str(arrays.pop("facts")))
        seconds, code = float(arrays.pop("seconds")), str(arrays.pop("code"))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    logits = {name.removeprefix("logits/"): a for name, a in arrays.items() if name.startswith("logits/")}
    scores = {name.removeprefix("scores/"): a for name, a in arrays.items() if name.startswith("scores/")}
    return KeptRun(Answers(logits, scores, _facts(facts)), seconds, code)


def _facts(found: dict[str, Any]) -> RunFacts:
    private = {name: (float(noise), float(epsilon)) for name, (noise, epsilon) in found.pop("private").items()}
    return RunFacts(**found, private=private)


def run_in(
    cache: Path,
    pipeline: Pipeline,
    design: Design,
    plan: AuditPlan,
    report: Report | None = None,
    catalogue: Sequence[Attack] = CATALOGUE,
) -> Shadows:
    """Run what is not in the folder `cache` yet, one thread per worker, and read all answers. Raises AuditInputError for
    pipelines that differ in their parts."""
    work = _Work(pipeline, design, plan, tuple(catalogue))
    paths, tasks = run_paths(pipeline, design, plan, cache, catalogue), _missing(cache, work)
    for number, seconds in enumerate(_fan_out(work, tasks), len(paths) - len(tasks) + 1):
        if report is not None:
            report(number, len(paths), seconds)
    found = [read_answers(path) for path in paths]
    whole = [run for run in found if run is not None]
    if len(whole) < len(paths):
        raise AuditInputError(
            f"runs must be readable where they were kept. Got {len(paths) - len(whole)} lost from {cache}. Run it again."
        )
    return _gather(design, whole)


def run_first(pipeline: Pipeline, design: Design, plan: AuditPlan, cache: Path, count: int) -> list[float]:
    """Run the first `count` of those that are not in `cache` yet, and keep them; seconds of work of each, as they
    finish. Raises AuditInputError for a pipeline without a `key`."""
    work = _Work(pipeline, design, plan, tuple(CATALOGUE))
    with kept_runs(pipeline, cache) as folder:
        return list(_fan_out(work, _missing(folder, work)[:count]))


def _missing(cache: Path, work: _Work) -> list[_Task]:
    """The runs whose answers are not in `cache`, in the order of `run_paths`."""
    paths = run_paths(work.pipeline, work.design, work.plan, cache, work.catalogue)
    return [own for own in zip(_runs(work.design, work.plan), paths, strict=True) if read_answers(own[1]) is None]


def _fan_out(work: _Work, tasks: Sequence[_Task]) -> Iterator[float]:
    """Seconds of work of every task, as they finish; its answers are kept by then."""
    runs, plan = [run for run, _ in tasks], work.plan
    for place, kept in fan_out(_one, work, runs, engine=plan.engine, jobs=plan.n_jobs):
        _keep(tasks[place][1], kept)
        yield kept.seconds


def _one(work: _Work, run: _Run) -> KeptRun:
    """Run one pipeline on its members and ask everything."""
    start, code = time.monotonic(), code_version()  # read while the modules that do the work are loaded, not when it is over
    records = work.design.records
    given = work.design.plain if run.plain and work.design.plain else records
    parts = work.pipeline(*given.given(run.members), seed=run.seed)
    if run.plain:
        answers = ask_accuracies(parts, records, run.members)
    else:
        answers = ask(parts, records, run.members, work.plan.questions(work.catalogue), seed=run.seed)
    return KeptRun(answers, time.monotonic() - start, code)


def _keep(path: Path, run: KeptRun) -> None:
    """Write the answers whole or not at all."""
    answers, about = run.answers, {"seconds": np.array(run.seconds), "code": np.array(run.code)}
    arrays = {f"logits/{name}": a for name, a in answers.logits.items()} | {f"scores/{n}": a for n, a in answers.scores.items()}
    write_arrays(path, {"facts": np.array(json.dumps(asdict(answers.facts))), **about, **arrays}, compressed=False)


def _gather(design: Design, found: Sequence[KeptRun]) -> Shadows:
    found = _equally_controlled(found)
    found, plain = found[: len(design.members)], [run.answers.facts.accuracy for run in found[len(design.members) :]]
    whole = [run.answers for run in found]
    first = whole[0]
    for answers in whole:
        if answers.logits.keys() != first.logits.keys() or answers.scores.keys() != first.scores.keys():
            raise AuditInputError(
                "a pipeline must leave the same parts in every run. Got "
                f"{sorted({*answers.logits, *answers.scores} ^ {*first.logits, *first.scores})} in some only. Mend it."
            )
    known = first.facts.accuracy.keys()
    if other := {name for accuracies in plain for name in accuracies.keys() ^ plain[0].keys() | accuracies.keys() - known}:
        raise AuditInputError(
            f"a pipeline must leave the same classifiers without canaries. Got {sorted(other)} in some runs only. Fix it."
        )
    return Shadows(
        design,
        {name: np.stack([a.logits[name] for a in whole]) for name in first.logits},
        {name: np.stack([a.scores[name] for a in whole]) for name in first.scores},
        [a.facts for a in whole],
        np.array([run.seconds for run in found]),
        [run.code for run in found],
        plain,
    )


def _equally_controlled(found: Sequence[KeptRun]) -> Sequence[KeptRun]:
    """The same without the positive control where a kept run is from before there was one: the teacher is what must be seen."""
    if all(CONTROL in run.answers.logits or not run.answers.logits for run in found):
        return found
    return [replace(run, answers=_without_control(run.answers)) for run in found]


def _without_control(answers: Answers) -> Answers:
    known = {name: share for name, share in answers.facts.accuracy.items() if name != CONTROL}
    logits = {name: found for name, found in answers.logits.items() if name != CONTROL}
    return replace(answers, logits=logits, facts=replace(answers.facts, accuracy=known))
