"""A run folder read into one value: what was done, the three numbers with their intervals, the verdict, the reports.

docs/json.md is written from the words next to each field.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any, Final

from pydantic import TypeAdapter, ValidationError

from upcycle._arguments import typed
from upcycle._bounded import one_line
from upcycle._checksums import REMAKE, check_sums
from upcycle._files import check_hash, read_json
from upcycle.errors import DamagedFileError, RunFolderError, printable
from upcycle.runs.folder._by_class import GAP_LABELS, ByClass
from upcycle.runs.folder._folder import RunFolder
from upcycle.runs.folder._merged import led, pipeline_facts
from upcycle.runs.folder._stages import MANIFEST, StageRecord, read_record

SCHEMA_VERSION: Final = 1
SHOWN: Final = ("student", "audit", "evaluation", "copies", "report")  # stages whose files a reader of a run looks at
_PATIENCE = 0.5  # seconds
JUDGED_LEAKS: Final = ("student", "teacher", "baseline")


# The road's own order; a stage that is not listed here comes after them, so that a new one is shown before we know it.
ROAD: Final = (
    "data",
    "plan",
    "views",
    "cleaning",
    "screen",
    "teacher",
    "generator",
    "gate",
    "tuning",
    "student",
    "baseline",
    "plain",
    "control",
    "audit",
    "evidence",
    "evaluation",
    "copies",
    "release",
    "report",
)


@dataclass(frozen=True)
class Measured:
    """A number with the limits of its interval."""

    value: Annotated[float, "the estimate"]
    low: Annotated[float, "lower limit of the interval at `confidence`"]
    high: Annotated[float, "upper limit of the interval at `confidence`"]

    def text(self, digits: int = 3, *, sign: bool = False) -> str:
        """`value [low, high]`."""
        form = f"{{:{'+' if sign else ''}.{digits}f}}"
        return f"{form} [{form}, {form}]".format(self.value, self.low, self.high)


@dataclass(frozen=True)
class Leak:
    """The primary attack on one target of the audit."""

    attack: Annotated[str, "name of the primary attack"]
    auc: Annotated[Measured, "area under the attack's ROC curve, 0..1; 0.5 is guessing"]
    tpr_at_1pct: Annotated[Measured | None, "true-positive rate at 1 % false positives, 0..1; null where it cannot be resolved"]
    n_members: Annotated[int, "records attacked that were given to the pipeline"]
    n_non_members: Annotated[int, "records attacked that were kept away from it by coin flip"]
    verdict: Annotated[str, "LEAKS, NO LEAK FOUND, INCONCLUSIVE or INVALID"]


@dataclass(frozen=True)
class RunFacts:
    """Facts of a run folder, finished or not. What a run has not reached is null or empty."""

    folder: Annotated[str, "the run folder, as it was named"]
    finished: Annotated[bool, "whether the whole road was walked, reports included"]
    begun: Annotated[tuple[str, ...], "stages that have begun and have no manifest: at work, stopped, or the manifest was lost"]
    upcycle: Annotated[str | None, "version that worked in the folder last"]
    preset: Annotated[str, "preset the settings started from"]
    seed: Annotated[int, "seed of the run"]
    confidence: Annotated[float, "level of every interval, 0..1"]
    dataset: Annotated[str | None, "name of the data set"]
    size: Annotated[int | None, "side of the images in pixels"]
    channels: Annotated[int | None, "1 (grey) or 3 (RGB)"]
    class_names: Annotated[tuple[str, ...], "names of the classes, in the order of the labels"]
    counts: Annotated[dict[str, list[int]], "split -> images per class"]
    members: Annotated[int | None, "training images given to the pipeline"]
    non_members: Annotated[int | None, "training images kept away from every model by coin flip"]
    minutes: Annotated[dict[str, float], "finished stage -> minutes of work, in the order of the road"]
    accuracy: Annotated[dict[str, Measured], "classifier -> accuracy on the test images, 0..1, with a Clopper-Pearson interval"]
    gap_points: Annotated[Measured | None, "accuracy of student minus baseline in points, with a paired interval"]
    objective: Annotated[str, "what its models were chosen by: accuracy, balanced or auroc"]
    gaps: Annotated[dict[str, Measured], "balanced, auroc -> gap by it in points, of uneven classes or another objective"]
    borders: Annotated[dict[str, float], "classifier -> the border of two classes that was chosen, a probability of the second"]
    calibration: Annotated[dict[str, float], "the student's calibration error, temperature by synthetic images, error with it"]
    robustness: Annotated[dict[str, dict[str, list[float]]], "classifier -> kind -> accuracy on worse test images, by strength"]
    test_images: Annotated[int | None, "number of test images"]
    by_class: Annotated[ByClass | None, "what stands next to an accuracy: largest class, balanced accuracy, worst class"]
    verdict: Annotated[str | None, "word on the student: of the run's own audit, or merged of it and its shadow pipelines'"]
    sentence: Annotated[str | None, "the sentence that must stand next to the verdict: why, and what the audit could have seen"]
    words: Annotated[dict[str, str], "the verdict for people: why, what it could have seen, the next command"]
    leakage: Annotated[dict[str, Leak], "target -> the primary attack on it"]
    copies: Annotated[dict[str, Any] | None, "how close the synthetic set is to the members; null where it was not looked at"]
    reports: Annotated[
        dict[str, str], "internal, shareable, pipelines (of audit --budget) -> path of the report, where it is written"
    ]
    synthetic: Annotated[str | None, "path of the synthetic set that may leave"]

    @property
    def total_minutes(self) -> float:
        """Minutes of work of all finished stages."""
        return sum(self.minutes.values())

    def gap_lines(self) -> Iterator[tuple[str, str]]:
        """Label and text of the gap by every objective that the run looked at, accuracy apart."""
        return ((GAP_LABELS[objective], f"{gap.text(2, sign=True)} points") for objective, gap in self.gaps.items())

    @property
    def on_worse_images(self) -> dict[str, float]:
        """Classifier -> mean accuracy over kinds and strengths of corruption; empty where it was not measured."""
        return {name: fmean(v for values in kinds.values() for v in values) for name, kinds in self.robustness.items()}

    @property
    def to_come(self) -> str:
        """How an unfinished run goes on, and which manifests would say that it has got further; empty for a finished one."""
        files = [str(Path("private") / name / MANIFEST) for name in self.begun]
        where = f"; there is no {', '.join(files)} yet" if files else ""
        return "" if self.finished else f"the same upcycle run command goes on{where}"

    @property
    def name(self) -> str:
        """Last part of the folder's path."""
        return Path(self.folder).resolve().name

    def to_json(self) -> dict[str, Any]:
        """JSON-able and free of per-record data; `schema_version` changes when a field changes its meaning."""
        return {"schema_version": SCHEMA_VERSION, "kind": "run", **asdict(self), "total_minutes": self.total_minutes}


_FACTS: Final[TypeAdapter[RunFacts]] = TypeAdapter(RunFacts)


@typed()
def read_run(folder: str | Path) -> RunFacts:
    """The facts of the run in `folder`, finished or not; nothing is written and no image is opened.

    Raises RunFolderError where there is no run, or a file of it is damaged.
    """
    run = RunFolder(Path(folder))
    run.config()  # says what is wrong where there is no run
    try:
        return _typed(run)
    except DamagedFileError:
        time.sleep(_PATIENCE)  # a process at work may be writing; what is damaged stays so
    return _typed(run)


def _typed(run: RunFolder) -> RunFacts:
    """The facts, each of its type. Raises RunFolderError where a file holds something else under a hash that fits: it may be
    somebody else's run."""
    try:
        return _FACTS.validate_python(asdict(_read(run)))
    except ValidationError as error:
        first = error.errors()[0]
        got = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    except (TypeError, ValueError, KeyError, AttributeError, IndexError, RecursionError, OverflowError) as error:
        got = f"a file with something else in it ({type(error).__name__}: {one_line(error)})"
    raise RunFolderError(f"run must be one that upcycle wrote. Got {run.root} with {printable(got)}. Leave it out.")


def _read(run: RunFolder) -> RunFacts:
    """The facts, with every file that they come from compared with the hash that was written of it."""
    root, private, config = run.root, run.private, run.config()
    records = stage_records(private)
    check_shown(run, records)
    evaluation, audit, synthetic = _facts(records, "evaluation"), audit_of(private), run.synthetic
    meta, data = asdict(run.data_facts()) if "data" in records else dict[str, Any](), _facts(records, "data")
    return RunFacts(
        folder=str(root),
        finished="report" in records,
        begun=_begun(private, records),
        upcycle=run.environment().get("upcycle"),
        preset=config.preset,
        seed=config.seed,
        confidence=config.audit.confidence,
        dataset=meta.get("name"),
        size=meta.get("size"),
        channels=meta.get("channels"),
        class_names=tuple(meta.get("class_names", ())),
        counts=dict(meta.get("counts", {})),
        members=data.get("members"),
        non_members=data.get("non_members"),
        minutes={name: record.seconds / 60 for name, record in records.items()},
        accuracy={name: Measured(*values) for name, values in evaluation.get("accuracy", {}).items()},
        gap_points=Measured(*evaluation["gap_points"]) if evaluation else None,
        objective=config.objective,
        gaps={name: Measured(*values) for name, values in evaluation.get("gaps", {}).items()},
        borders={name: records[name].facts["border"] for name in ("baseline", "student") if "border" in _facts(records, name)},
        calibration=evaluation.get("calibration", {}),
        robustness=evaluation.get("robustness", {}),
        test_images=evaluation.get("test_images"),
        by_class=ByClass.from_json(evaluation.get("by_class")),
        verdict=audit.get("verdict"),
        sentence=audit.get("sentence"),
        words=_words(audit, root),
        leakage=_leakage(audit),
        copies=_copies(run) if "copies" in records else None,
        reports={name: str(path) for name, path in _reports(run).items() if path.exists()},
        synthetic=str(synthetic) if synthetic.exists() else None,
    )


def audit_of(private: Path) -> dict[str, Any]:
    """The audit of the run with this private half, led by the merged verdict where shadow pipelines were run too; empty
    where there was none."""
    if read_record(private / "audit") is None:
        return {}
    return led(read_json(private / "audit" / "audit.json"), pipeline_facts(private))


def _copies(run: RunFolder) -> dict[str, Any] | None:
    """The check for copies without its distances of single pairs."""
    found = run.facts("copies", "copies") or {}
    return {key: value for key, value in found.items() if key != "closest"} or None


def _facts(records: Mapping[str, StageRecord], stage: str) -> dict[str, Any]:
    return records[stage].facts if stage in records else {}


def _reports(run: RunFolder) -> dict[str, Path]:
    return {"internal": run.report, "shareable": run.released_report, "pipelines": run.pipelines_page}


def check_shown(run: RunFolder, records: Mapping[str, StageRecord]) -> None:
    """Raise DamagedFileError unless whatever is shown of a run is what its stages left: reports, files of the numbers, the
    student that was audited, and the release."""
    _check_chain(run, records)
    for name in SHOWN:
        if name in records:
            records[name].verify(run.private / name)
    if "report" in records and "release" in records:
        check_release(run, records)


def _check_chain(run: RunFolder, records: Mapping[str, StageRecord]) -> None:
    """Raise DamagedFileError where the manifest of a stage that a later one was made from is lost, or is another one."""
    needed = {name: left for record in records.values() for name, left in record.inputs.items() if name != "plan"}
    first = ("data", "plan") if set(records) - {"data"} else tuple(records)  # every later stage has both before it
    for name in dict.fromkeys([*first, *needed]):
        manifest = run.private / name / MANIFEST
        if name not in records:
            raise DamagedFileError(manifest, "none, although a later stage has finished")
        if name in needed and records[name].left != needed[name]:
            raise DamagedFileError(manifest, "one that a later stage was not made from")


def check_release(run: RunFolder, records: Mapping[str, StageRecord]) -> None:
    """Raise DamagedFileError unless the release is whole and holds the student that was audited."""
    check_sums(run.release)
    released = run.release / "student" / "model.safetensors"
    judged = _facts(records, "audit").get("judged", {})
    if released.exists() and judged:
        check_hash(released, judged["student"], REMAKE)


def stage_records(private: Path) -> dict[str, StageRecord]:
    """Records of the finished stages of a run's private half, in the order of the road; further teachers follow the teacher."""
    names = sorted(path.parent.name for path in private.glob(f"*/{MANIFEST}") if path.parent.name != "store")  # not a stage's
    found = {name: read_record(private / name) for name in sorted(names, key=_place)}
    return {name: record for name, record in found.items() if record is not None}


def _begun(private: Path, records: Mapping[str, StageRecord]) -> tuple[str, ...]:
    """Stages with a folder and without a manifest, in the order of the road."""
    found = {path.name for path in private.iterdir() if path.is_dir()} if private.is_dir() else set()
    return tuple(sorted((name for name in found if name not in records and _is_stage(name)), key=_place))


def _is_stage(name: str) -> bool:
    return re.sub(r"-\d+$", "", name) in ROAD


def _place(name: str) -> int:
    """Where a stage stands on the road; behind all others where this version does not know it."""
    place = {known: k for k, known in enumerate(ROAD)}
    return place.get(re.sub(r"-\d+$", "", name), len(place))


def _words(audit: Mapping[str, Any], root: Path) -> dict[str, str]:
    from upcycle.report import words

    return dict(words(audit, pipeline_facts(root / "private"), str(root)).lines()) if audit else {}


def _leakage(audit: Mapping[str, Any]) -> dict[str, Leak]:
    """Target -> its primary attack on clean records: student first, then teacher and baseline."""
    rows: dict[str, Any] = {}
    for row in audit.get("rows", ()):
        if row["primary"] and row["population"] in ("", "clean"):
            rows.setdefault(row["target"], row)
    ordered = [*[name for name in JUDGED_LEAKS if name in rows], *[name for name in rows if name not in JUDGED_LEAKS]]
    return {name: _leak(rows[name]) for name in ordered}


def _leak(row: Mapping[str, Any]) -> Leak:
    auc = Measured(row["auc"], row["auc_low"], row["auc_high"])
    rate = (row["tpr_at_1pct"], row["tpr_at_1pct_low"], row["tpr_at_1pct_high"])
    resolved = None if rate[0] is None else Measured(*rate)
    return Leak(row["attack"], auc, resolved, row["n_members"], row["n_non_members"], row["verdict"])
