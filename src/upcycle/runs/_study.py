"""The paper's table for any list of data sets: every set and seed is a separate run, and every row is data."""

import base64
import contextlib
import hashlib
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats

from upcycle._arguments import typed
from upcycle._files import write_json, write_text
from upcycle._machine import physical_cores
from upcycle._presets import PRESETS
from upcycle._settings import changes
from upcycle.audit.statistics import aop
from upcycle.config import Config
from upcycle.engine import LOCAL, check_engine, fan_out, remote
from upcycle.errors import ConfigError, RunFolderError
from upcycle.report import scores
from upcycle.runs._run import run
from upcycle.runs._study_table import GapSummary, Row, settings_line, table
from upcycle.runs.folder import Measured, RunFolder, read_record, read_run
from upcycle.runs.watch import Display, SilentDisplay

SCHEMA_VERSION = 1


# given by the study itself or by the machine; what a limit did is in recipe_share
_NO_RECIPE = frozenset({"seed", "plain", "device", "threads", "watts", "minutes_limit"})


@dataclass(frozen=True)
class _Task:
    """One run of the table; `place` orders the rows."""

    place: int
    name: str
    dataset: str
    folder: Path
    config: Config


@typed()
def study(
    datasets: Sequence[str],
    out: str | Path,
    config_of: Callable[[int], Config],
    seeds: Sequence[int],
    *,
    jobs: int | None = None,
    engine: str = LOCAL,
    display_of: Callable[[str], Display] = lambda _: SilentDisplay(),
) -> Iterator[Row]:
    """Do (or resume) the run of every set and seed; yields each row when its run is over. The rows so far, with their
    summary, are in OUT/study.json and OUT/study.md at any moment.

    `config_of` gives the configuration of a seed. `jobs` runs go on at a time, each in its own process with its share of the
    cores; None: one, or as many as another engine has cores. Rows come as runs finish. `engine` may be ray://HOST:PORT or
    dask://HOST:PORT, whose workers must see OUT and the data under the same names. `display_of` makes the display of a run from
    its name, in the process of the run. Raises ConfigError where two data sets would share a name, or an engine is of no use.
    """
    out, names = Path(out), [dataset_name(dataset) for dataset in datasets]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"data sets must have different names. Got {', '.join(twice)} twice. Rename one of the files.")
    # all sets once before any of them twice: an early stop leaves a whole table
    runs = [(seed, name, dataset) for seed in seeds for name, dataset in zip(names, datasets, strict=True)]
    jobs = min((0 if remote(engine) else 1) if jobs is None else jobs, len(runs))
    if remote(engine):
        out.mkdir(parents=True, exist_ok=True)
        check_engine(engine, [str(out.resolve()), *(str(Path(name).resolve()) for name in datasets if Path(name).exists())])
    tasks = [
        _Task(place, name, dataset, out / "runs" / f"{name}-{seed}", _sharing(config_of(seed), jobs, engine))
        for place, (seed, name, dataset) in enumerate(runs)
    ]
    rows: dict[int, Row] = {}
    for task in _finished(tasks, jobs, engine, display_of):
        rows[task.place] = row_of(task.folder, task.name)
        write_study(out, [rows[place] for place in sorted(rows)])
        yield rows[task.place]


def _sharing(config: Config, jobs: int, engine: str) -> Config:
    """The configuration of one of `jobs` runs at a time: its share of the cores, unless it names its threads."""
    if config.threads or (jobs == 1 and not remote(engine)):
        return config
    return config.model_copy(update={"threads": 1 if remote(engine) else max(1, physical_cores() // jobs)})


def _finished(tasks: Sequence[_Task], jobs: int, engine: str, display_of: Callable[[str], Display]) -> Iterator[_Task]:
    """The tasks as their runs finish."""
    threads = max((task.config.threads for task in tasks), default=0)
    for place, _ in fan_out(_do, display_of, tasks, engine=engine, jobs=jobs, threads=threads):
        yield tasks[place]


def _do(display_of: Callable[[str], Display], task: _Task) -> None:
    """Do the run of `task`."""
    with contextlib.closing(display_of(task.folder.name)) as display:
        run(task.dataset, task.folder, task.config, display=display)


def dataset_name(dataset: str) -> str:
    """The last part of a path, without its ending; the part after the colon of `medmnist:bloodmnist`."""
    return Path(dataset.rsplit(":", 1)[-1]).stem


def row_of(folder: Path, dataset: str) -> Row:
    """The row of a finished run. Raises RunFolderError for an unfinished one."""
    facts = read_run(folder)
    if facts.gap_points is None or facts.verdict is None:
        raise RunFolderError(f"run must be finished. Got {folder}, which is not. Resume it with the command that began it.")
    predictions = _predictions(folder)
    labels = predictions.pop("labels")
    figures = {name: scores(logits, labels).__dict__ for name, logits in predictions.items()}
    right = {name: _packed(predictions[name].argmax(1) == labels) for name in ("baseline", "student")}
    accuracy = {name: measured.value for name, measured in facts.accuracy.items()}
    return {
        "dataset": dataset,
        "preset": facts.preset,
        "seed": facts.seed,
        "objective": facts.objective,
        "baseline_accuracy": accuracy["baseline"],
        "teacher_accuracy": accuracy["teacher"],
        "plain_cas": accuracy.get("plain"),
        "student_accuracy": accuracy["student"],
        "gap_points": facts.gap_points.value,
        "gap_interval": [facts.gap_points.low, facts.gap_points.high],
        "gaps": {name: _limits(gap) for name, gap in facts.gaps.items()},
        "test_images": facts.test_images,
        "test_labels": hashlib.blake2b(labels.astype("<i8").tobytes(), digest_size=8).hexdigest(),
        "right": right,
        "minutes": round(facts.total_minutes, 2),
        "minutes_by_stage": {name: round(minutes, 2) for name, minutes in facts.minutes.items()},
        "figures": figures,
        "robustness": facts.robustness,
        "attack_auc": {name: _limits(leak.auc) for name, leak in facts.leakage.items()},
        "attack_tpr_at_1pct": {name: _limits(leak.tpr_at_1pct) for name, leak in facts.leakage.items()},
        "aop": {name: aop(accuracy[name], leak.auc.value) for name, leak in facts.leakage.items() if name in accuracy},
        "audit_verdict": facts.verdict,
        "settings": _settings(folder),
        "recipe_share": _recipe_share(folder),
        "tuned": _tuned(folder),
    }


def _settings(folder: Path) -> Row:
    """What the run's recipe changes of its preset."""
    config = RunFolder(folder).config()
    return {name: new for name, (_, new) in changes(PRESETS[config.preset], config).items() if name not in _NO_RECIPE}


def _recipe_share(folder: Path) -> float:
    """Images the run saw by those of its recipe: 1 but where minutes, or a limit of them, are set."""
    plan = read_record(folder / "private" / "plan")
    return 1.0 if plan is None else round(float(plan.facts["scale"]), 3)


def _limits(found: Measured | None) -> list[float] | None:
    return None if found is None else [found.value, found.low, found.high]


def _tuned(folder: Path) -> Row:
    return dict(RunFolder(folder).facts("tuning", "tuned") or {})


def _predictions(folder: Path) -> dict[str, np.ndarray]:
    run = RunFolder(folder)
    return run.arrays(run.predictions)


def _packed(right: np.ndarray) -> str:
    """Which test images were judged rightly, bool (images,), as base64 of its bits: a row holds all that its gap rests on."""
    return base64.b64encode(np.packbits(right).tobytes()).decode()


def _unpacked(text: str, images: int) -> np.ndarray:
    return np.unpackbits(np.frombuffer(base64.b64decode(text), np.uint8), count=images).astype(float)


def summarise(rows: Sequence[Row]) -> list[GapSummary]:
    """One summary per data set, in order, and one of all sets; the rows need not come from one study or one machine."""
    names = list(dict.fromkeys(row["dataset"] for row in rows))
    each = [_summary(name, [row for row in rows if row["dataset"] == name]) for name in names]
    mean = statistics.fmean(s.gap for s in each)
    error = float(np.sqrt(sum(s.error**2 for s in each))) / len(each)
    reach = float(stats.norm.ppf(0.975)) * error
    return [*each, GapSummary("mean of the sets", len(rows), mean, mean - reach, mean + reach, error)]


def _summary(name: str, rows: Sequence[Row]) -> GapSummary:
    shared = len({row["test_labels"] for row in rows}) == 1
    gap, error, freedom = gap_error([_differences(row) for row in rows], shared_images=shared)
    reach = float(stats.t.ppf(0.975, freedom)) * error
    return GapSummary(name, len(rows), gap, gap - reach, gap + reach, error)


def _differences(row: Row) -> np.ndarray:
    """Student's minus baseline's points per test image (images,): 100, 0 or -100."""
    student, baseline = (_unpacked(row["right"][name], row["test_images"]) for name in ("student", "baseline"))
    return np.asarray(100 * (student - baseline))


def gap_error(differences: Sequence[np.ndarray], *, shared_images: bool) -> tuple[float, float, float]:
    """Mean gap, its standard error and degrees of freedom (Satterthwaite), from right-minus-right per test image and run.

    Where the runs share their test images, the luck of the images does not average out over seeds and is added to the luck of
    the seeds; where every seed cut its own test split, each run brings its own.
    """
    gaps = np.array([d.mean() for d in differences])
    if shared_images:
        images = np.mean(differences, axis=0)
        parts = [(images.var(ddof=1) / len(images), len(images) - 1)]
    else:
        parts = [(sum(d.var(ddof=1) / len(d) for d in differences) / len(gaps) ** 2, sum(len(d) - 1 for d in differences))]
    if len(gaps) > 1 and shared_images:
        parts.append((gaps.var(ddof=1) / len(gaps), len(gaps) - 1))
    elif len(gaps) > 1:
        parts = [max(parts[0], (gaps.var(ddof=1) / len(gaps), len(gaps) - 1))]
    total = sum(part for part, _ in parts)
    freedom = total**2 / max(sum(part**2 / df for part, df in parts), 1e-300) if total else 1e9
    return float(gaps.mean()), float(np.sqrt(total)), float(max(freedom, 1))


def write_study(out: Path, rows: Sequence[Row]) -> None:
    """OUT/study.json and OUT/study.md from the rows so far."""
    summaries = summarise(rows)
    document = {"schema_version": SCHEMA_VERSION, "rows": list(rows), "gaps": [s.__dict__ for s in summaries]}
    write_json(out / "study.json", document)
    lines = [*table(rows, summaries), "", settings_line(rows)]
    write_text(out / "study.md", "\n".join(lines).rstrip() + "\n")
