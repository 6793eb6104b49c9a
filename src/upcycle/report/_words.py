"""A verdict in three lines for somebody who does not know the terms: why, what would have been seen, what to do next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from upcycle._arguments import typed
from upcycle._small_cell import SMALL_CELL

_RECORDS: Final[Mapping[str, str]] = {
    "clean": "ordinary records",
    "outlier": "unusual records",
    "next layer": "fairly unusual records",
    "patient": "patients",
    "canary": "records that the audit mislabelled on purpose",
    "canary, patch": "records that the audit marked with a patch",
    "canary, repeated": "records that the audit mislabelled and gave twice",
    "canary, odd": "odd images that the audit planted",
    "canary, near pair": "near copies with two labels that the audit planted",
    "canary, patient patch": "patients whose records the audit marked with a patch",
}
_CERTAIN: Final = 0.04  # adjusted p below which a row shows a leak
_GUESSED: Final = 0.01  # rate at one false alarm in a hundred of whoever guesses
_NO_LIMIT: Final = 0.995  # of right guesses, which rounds to all
_PAIR: Final = "one used and one not,"
SCREENED: Final = "members left out by the screen"  # what pipelines report where records that stand out are left out
_SIZES: Final = ("small but certain", "moderate", "large")
_STANDARD: Final = 34  # pipelines of a standard audit, two of them without canaries


@dataclass(frozen=True)
class Words:
    """Three sentences; `grade` of LEAKS is small, moderate or large, and empty otherwise."""

    why: str
    could_have_seen: str
    next_step: str
    grade: str = ""

    @property
    def graded(self) -> str:
        """What kind of leak it is, in words."""
        return f"a {self.grade} leak" if self.grade in _SIZES else f"a leak {self.grade}"

    def lines(self) -> list[tuple[str, str]]:
        """Label and text."""
        why = f"{self.graded}: {self.why}" if self.grade else self.why
        return [("why", why), ("could have seen", self.could_have_seen), ("next", self.next_step)]


@typed()
def words(
    audit: Mapping[str, Any],
    pipelines: Mapping[str, Any] | None,
    run: str,
    workers: int = 2,
    *,
    persons: str | None = None,
) -> Words:
    """The verdict on the student of the audit's JSON and that of its shadow pipelines; `run`: the folder named in commands;
    `persons`: how to learn whom a leak is about, by default the internal report of `run`."""
    report = persons or f"read {run}/private/report.html"
    word, rows = str(audit.get("verdict", "INVALID")), _of_student([audit, *([pipelines] if pipelines else [])])
    if word == "INVALID":
        return Words(
            "a check of the audit itself failed, so its numbers say nothing.",
            "unknown: its numbers say nothing.",
            f"{report}: it says which check.",
        )
    seen = _seen(pipelines or audit)
    single = f"{_rests_on(pipelines)}{worst_sentence(pipelines)}"
    if word == "LEAKS":
        worst = _worst(rows)
        if worst is None:
            return Words(f"{_labels_told(pipelines)}{single}", seen, _after_leak(report, pipelines), "small but certain")
        return Words(f"{_told(worst)}{single}", seen, _after_leak(report, pipelines), _grade(worst))
    if word == "NO LEAK FOUND":
        return Words(f"{_limit(rows)}{single}", seen, f"decide whether to share it: upcycle release {run} (a minute).")
    return Words(f"{_open(rows)}{single}", seen, _more(pipelines, run, workers))


def _labels_told(pipelines: Mapping[str, Any] | None) -> str:
    """How often a wrong label that was planted comes first among the wrong ones."""
    tests = [test for test in (pipelines or {}).get("permutation") or () if isinstance(test, Mapping)]
    found = next((test for test in tests if test.get("target") == "student"), {})
    if not all(isinstance(found.get(name), int | float) for name in ("canaries", "ranked_first", "chance")):
        return "the planted labels show in its answers."
    first, luck = 100 * found["ranked_first"], 100 * found["chance"]
    return (
        f"of 100 {_RECORDS['canary']}, its answers put that label first among the wrong ones for {first:.0f} "
        f"({luck:.0f} by luck; {found['canaries']} were planted)."
    )


def _rests_on(pipelines: Mapping[str, Any] | None) -> str:
    """How many patients all of it rests on, as a sentence with a space before it; "" where records are independent."""
    patients = ((pipelines or {}).get("facts") or {}).get("patients")
    if not isinstance(patients, int):
        return ""
    return f" It rests on {patients if patients >= SMALL_CELL else f'fewer than {SMALL_CELL}'} patients."


def worst_record(pipelines: Mapping[str, Any] | None, target: str = "student") -> Mapping[str, Any] | None:
    """How well membership of the worst record can be told from the answers of `target`; None where it was not measured."""
    found = [row for row in (pipelines or {}).get("worst") or () if isinstance(row, Mapping) and row.get("target") == target]
    known = ("high", "high_by_luck", "low", "pairs")
    return next((row for row in found if all(isinstance(row.get(name), int | float) for name in known)), None)


def worst_sentence(pipelines: Mapping[str, Any] | None) -> str:
    """The upper limit over all records as a sentence with a space before it; "" where it was not measured."""
    row = worst_record(pipelines)
    if row is None:
        return ""
    if row["high"] >= _NO_LIMIT:
        return f" Nothing is known about the worst single record: the run was repeated too few times ({row['pairs']} pairs)."
    high, luck, one = 100 * row["high"], 100 * row["high_by_luck"], str(row.get("counted_in", "records")).removesuffix("s")
    return (
        f" For no single {one} does this attack tell which of two models was given it more than {high:.0f} times in 100 "
        f"(50 is guessing; {row['pairs']} pairs of repeated runs cannot bring this limit below about {luck:.0f})."
    )


def _of_student(audits: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [row for audit in audits for row in _rows(audit) if row.get("target") == "student"]


def _rows(audit: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Its rows that have an area with limits; a page is made of any JSON."""
    found = [row for row in audit.get("rows") or () if isinstance(row, Mapping)]
    return [row for row in found if all(isinstance(row.get(name), int | float) for name in ("auc", "auc_low", "auc_high"))]


def _worst(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The row that shows the largest leak for certain."""
    shown = [row for row in rows if min(p for p in (row.get("p_holm"), row.get("tpr_p_holm"), 1.0) if p is not None) < _CERTAIN]
    return max(shown, key=lambda row: (_above_guessing(row), row["auc_low"]), default=None)


def _above_guessing(row: Mapping[str, Any]) -> float:
    """The lower limit of the rate where it shows more than guessing; 0 where it says nothing, so that the area decides."""
    low = float(row.get("tpr_at_1pct_low") or 0.0)
    return low if low > _GUESSED else 0.0


def _told(row: Mapping[str, Any]) -> str:
    """How many of a hundred at one false alarm in a hundred; without that, of two records the right one."""
    records = _RECORDS.get(str(row.get("population")), "records")
    if not _by_rate(row):
        share, low, high = (100 * float(row[name]) for name in ("auc", "auc_low", "auc_high"))
        return f"of two {records}, {_PAIR} an attack picks the used one {share:.0f} times in 100 ({low:.0f} to {high:.0f})."
    share, low, high = (100 * float(row[name]) for name in ("tpr_at_1pct", "tpr_at_1pct_low", "tpr_at_1pct_high"))
    return (
        f"of 100 used {records}, an attack finds {share:.0f} ({low:.0f} to {high:.0f}) at one false alarm in a "
        "hundred; guessing finds 1."
    )


def _by_rate(row: Mapping[str, Any]) -> bool:
    """Whether the rate says more than the area: a limit of it that includes guessing next to an area that leaks for certain
    would read as a contradiction."""
    if row.get("tpr_at_1pct") is None:
        return False
    area = row.get("p_holm")
    return float(row.get("tpr_at_1pct_low") or 0.0) > _GUESSED or area is None or area >= _CERTAIN


def _grade(row: Mapping[str, Any]) -> str:
    rate, area = float(row.get("tpr_at_1pct_low") or 0.0), float(row["auc_low"])
    if rate >= 0.1 or area >= 0.75:
        return "large"
    if rate >= 0.03 or area >= 0.6:
        return "moderate"
    shown = rate > _GUESSED or area > 0.5  # else its test alone says so, and limits that hold guessing are not certain
    return "small but certain" if shown else "shown by a test, of open size"


def _limit(rows: Sequence[Mapping[str, Any]]) -> str:
    primary = next((row for row in reversed(rows) if row.get("primary")), None)
    if primary is None:
        return "no attack tells who was used."
    records = _RECORDS.get(str(primary.get("population")), "records")
    if primary.get("tpr_at_1pct_high") is None or primary.get("population") == "clean":
        most = 100 * float(primary["auc_high"])
        return f"of two {records}, {_PAIR} no attack picks the used one more than {most:.0f} times in 100."
    most = 100 * float(primary["tpr_at_1pct_high"])
    return f"of 100 used {records}, no attack finds more than {most:.0f} at one false alarm in a hundred."


def _open(rows: Sequence[Mapping[str, Any]]) -> str:
    primary = next((row for row in reversed(rows) if row.get("primary")), None)
    if primary is None:
        return "the student was not attacked."
    low, high = 100 * float(primary["auc_low"]), 100 * float(primary["auc_high"])
    picks = f"an attack picks the used one of two records {low:.0f} to {high:.0f} times in 100"
    return f"{picks}: neither clearly guessing (50) nor clearly more."


def _seen(audit: Mapping[str, Any]) -> str:
    """What the same attack finds in the model that was made to remember, or in the teacher."""
    for target in ("positive control", "teacher"):
        row = next((row for row in _rows(audit) if row.get("target") == target and row.get("primary")), None)
        if row is not None:
            kind = "a model made to remember" if target == "positive control" else "the teacher"
            return f"in {kind}, {_told(row)}"
    return "unknown: no model that remembers was attacked."


def _more(pipelines: Mapping[str, Any] | None, run: str, workers: int) -> str:
    each = (pipelines or {}).get("facts", {}).get("seconds_per_pipeline")
    budget = "full" if pipelines and pipelines.get("plan", {}).get("budget") == "standard" else "standard"
    count = _STANDARD if budget == "standard" else 2 * _STANDARD - 2
    minutes = f"about {count * each / workers / 60:.0f} min" if each else "it says its minutes before it starts"
    return f"upcycle audit {run} --budget {budget} ({minutes}); more records help too."


def _after_leak(report: str, pipelines: Mapping[str, Any] | None) -> str:
    screened = SCREENED in ((pipelines or {}).get("facts") or {}).get("reported", {})
    less = (
        "docs/howto/strong-privacy.md says what may help."
        if screened
        else "run again with --privacy strong, which gives away less about single records."
    )
    return f"do not share this student. To see which records are exposed, {report}; {less}"
