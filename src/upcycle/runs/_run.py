"""The whole road, from private images to an audited student; the same call resumes it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

from upcycle._arguments import typed
from upcycle._machine import choose_device
from upcycle.config import Config
from upcycle.data import Dataset, Store, read
from upcycle.errors import ConfigError
from upcycle.generators import GeneratorFactory
from upcycle.nets import ClassifierFactory
from upcycle.runs._forecast import evidence_minutes, forecast_lines, forecasts
from upcycle.runs._objectives import objective_lines
from upcycle.runs.folder import (
    StageRecord,
    audit_of,
    check_run,
    content_key,
    pipeline_facts,
    read_record,
    run_stage,
)
from upcycle.runs.shadows import evidence_stage
from upcycle.runs.stages import (
    CONTROL,
    Bench,
    Stage,
    audit_stage,
    compared_members,
    control_stage,
    copies_stage,
    evaluation_stage,
    headline,
    mend_release,
    prepare,
    release_stage,
    report_pages,
    report_stage,
    shareable_report,
    stage_key,
    teacher_names,
    training_road,
)
from upcycle.runs.watch import Display

UNTIL = ("teacher", "generator", "student", "audit", "report")


@dataclass(frozen=True)
class Summary:
    """What a call of `run` ends with."""

    folder: Path
    until: str
    headline: tuple[str, ...]
    next_step: str

    def lines(self) -> list[str]:
        return [*self.headline, self.next_step]


def run(
    data: str | Path,
    out: str | Path,
    config: Config,
    *,
    until: str = "report",
    groups_csv: str | Path | None = None,
    display: Display | None = None,
    network: ClassifierFactory | None = None,
    generator: GeneratorFactory | None = None,
) -> Summary:
    """Do (or go on with) a run up to and including `until`, one of UNTIL.

    Raises UpcycleError before anything is written where data, settings or folder do not fit. `network` replaces the residual
    classifier of teacher, baseline and student, and `generator` the one of the settings; it must pass `check_generator`. A
    resumed run must be given the same ones.

    >>> upcycle.run("SCANS", "RUN", Config(preset="quick"), network=lambda channels, classes, size: MyNet(channels, classes))
    >>> upcycle.run("SCANS", "RUN", Config(preset="quick"), generator=lambda channels, size, classes: MyGenerator(size))
    """
    if not isinstance(until, str) or until not in UNTIL:
        raise ConfigError(f"until must be one of {', '.join(UNTIL)}. Got {until!r}.")
    _check_arguments(out, config, network, generator)
    check_run(Path(out), config)
    choose_device(config.device)
    opened = partial(prepare, out=Path(out), config=config, display=display, network=network, generator=generator)
    return _run(read(data, config=config.data, seed=config.seed, groups_csv=groups_csv), opened, until)


@typed("out", "config", "network", "generator")
def run_dataset(
    dataset: Dataset,
    out: str | Path,
    config: Config,
    *,
    until: str = "report",
    display: Display | None = None,
    network: ClassifierFactory | None = None,
    generator: GeneratorFactory | None = None,
) -> Summary:
    """As `run`, for a data set already in memory."""
    _check_arguments(out, config, network, generator)
    opened = partial(prepare, out=Path(out), config=config, display=display, network=network, generator=generator)
    return _run(dataset, opened, until)


def _run(dataset: Dataset, opened: Callable[[Dataset], AbstractContextManager[Bench]], until: str) -> Summary:
    """Nothing holds the images of `dataset` once they are in the store, unless the caller does."""
    with opened(dataset) as bench:
        bench.display.plan(_outlook(dataset, bench))
        del dataset
        return _walk(bench, bench.folder.open_store(), until)


def _outlook(dataset: Dataset, bench: Bench) -> list[str]:
    """The lines after the plan: what each objective costs, which verdict to expect, and how long that takes."""
    config = bench.config
    minutes = evidence_minutes(sum(bench.plan.seconds.values()) / 60, config.evidence, config.evidence_networks)
    forecast = [*forecast_lines(*forecasts(dataset, config)), f"{'':12} {minutes}"]
    return [*objective_lines(dataset, config.objective), *forecast]


def _check_arguments(out: object, config: object, network: object, generator: object) -> None:
    """Raise ConfigError with a line for each argument that is of another type than it must be."""
    problems = []
    if not isinstance(out, str | Path):
        problems.append(f"out must be the path of a run folder. Got {type(out).__name__}. Give a text or a Path.")
    if not isinstance(config, Config):
        then = 'Write Config.from_preset("quick", **settings).'
        problems.append(f"config must be an upcycle.Config. Got {type(config).__name__}. {then}")
    for name, made, arguments in (
        ("network", network, "channels, classes, size"),
        ("generator", generator, "channels, size, classes"),
    ):
        if made is not None and (not callable(made) or (hasattr(made, "state_dict") and not isinstance(made, type))):
            then = f"Write lambda {arguments}: ... that makes one."
            problems.append(f"{name} must be a function of ({arguments}). Got {type(made).__name__}. {then}")
    if problems:
        raise ConfigError(*problems)


def _road(bench: Bench, store: Store) -> list[Stage]:
    most = bench.plan.budget.control
    return [
        *training_road(bench, store),
        Stage(CONTROL, 0, lambda: control_stage(bench, store, most, compared_members(store, bench.config.seed))),
        Stage("audit", 0, lambda: audit_stage(bench, store)),
        Stage("evidence", 0, lambda: evidence_stage(bench, store)),
        Stage("evaluation", 0, lambda: evaluation_stage(bench, store)),
        Stage("copies", 0, lambda: copies_stage(bench, store)),
        Stage("release", bench.config.release.synthetic_images, lambda: release_stage(bench, store)),
        Stage("report", 0, lambda: report_stage(bench, store), report_pages(bench.folder)),
    ]


def _walk(bench: Bench, store: Store, until: str) -> Summary:
    """Every stage up to `until`, each keyed by the configuration and the data, and tied to what the stages before it left."""
    last = teacher_names(bench.config.teachers)[-1] if until == "teacher" else until
    left = {"plan": content_key(asdict(bench.plan.budget), bench.plan.own)}
    for stage in _road(bench, store):
        record = _announced(bench, stage, stage_key(stage.name, store, bench.config), left)
        left[stage.name] = record.left
        if stage.name == "evidence":
            _tell_networks(bench, record)
        if stage.name == last:
            break
    if until == "report":
        mend_release(bench, store)
    return summary_of(bench, until)


def _tell_networks(bench: Bench, evidence: StageRecord) -> None:
    """Say where the evidence was finished with other networks than are asked for now."""
    had, wanted = evidence.facts.get("networks", "small"), bench.config.evidence_networks
    if had != wanted and evidence.facts["pipelines"]:
        more = f"upcycle audit {bench.folder.root} --budget quick --networks {wanted}"
        bench.display.note(f"evidence: was finished with {had} networks. For the other ones: {more}")


def _announced(bench: Bench, stage: Stage, key: str, left: Mapping[str, str]) -> StageRecord:
    display, folder = bench.display, bench.folder
    display.stage(stage.name, stage.total)
    place, say = folder.stage(stage.name), logging.getLogger("upcycle").warning
    record, fresh = run_stage(place, key, stage.work, inputs=left, also=stage.also, say=say)
    folder.log(f"{stage.name}: {'finished' if fresh else 'was finished'} ({record.seconds:.0f} s)")
    display.done(stage.name, record.seconds if fresh else 0.0)
    return record


def summary_of(bench: Bench, until: str) -> Summary:
    """What a run has left so far, as the lines that the command prints at its end."""
    folder = bench.folder
    if until != "report":
        command = _COMMANDS[dict(pairwise(UNTIL))[until]]
        return Summary(folder.root, until, (f"{until} is ready in {folder.root}",), f"next: {command} with the same arguments")
    evaluation = read_record(folder.stage("evaluation"))
    assert evaluation is not None, "evaluation comes before the report"
    audit = audit_of(folder.private)
    lines = (
        *headline(evaluation.facts, audit, pipeline_facts(folder.private), str(folder.root)),
        f"reports           {folder.report} (internal, do not share)",
        f"                  {shareable_report(bench)} (shareable)",
    )
    return Summary(folder.root, until, lines, advice(str(audit["verdict"]), folder.release))


def advice(verdict: str, release: Path) -> str:
    """The next step after an audit with this verdict."""
    if verdict == "LEAKS":
        return f"next: do not share {release}; the audit found a leak. Read the internal report"
    if verdict == "INVALID":
        return f"next: do not share {release}; a control of the audit failed. Read the internal report"
    return f"next: read the internal report and docs/sharp-edges.md, then decide whether to share {release}"


_COMMANDS = {
    "generator": "upcycle train-generator",
    "student": "upcycle distil",
    "audit": "upcycle audit",
    "report": "upcycle report",
}
