"""The page about a pipeline audit, for people who decide about a release. Made only from the audit's JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from upcycle._arguments import typed
from upcycle.errors import DataError
from upcycle.report._audit_json import ControlRow, attack_rows, control_rows, mappings, number
from upcycle.report._flat_table import FlatTable, flat_table, plain, set_table
from upcycle.report._leak_figures import canary_forest
from upcycle.report._leak_table import CANARIES, LeakTable, leak_table
from upcycle.report._page import page, safe
from upcycle.report._summary import Verdict, confidence, percent, verdict
from upcycle.report._words import worst_record

SCHEMA: Final = "upcycle-pipeline-audit/2"
CHANCE: Final = 0.01  # of the TPR at 1 % false positives
_CONTROLS: Final = MappingProxyType(
    {
        "non-members vs non-members": (
            "must contain 0.5",
            "A coin calls half of the unused records used. No attack may tell the halves apart.",
        ),
        "shuffled membership": (
            "must contain 0.5",
            "The coins are tossed again after everything is over. No attack may find out the new result.",
        ),
        "blind, images and labels": (
            "must contain 0.5",
            "An attack without any model. If it tells used from unused records, they differ by themselves.",
        ),
        "positive: copying generator": (
            "must be above 0.5",
            "A made-up generator that returns records as they are. The attack on synthetic images must see it.",
        ),
        "positive: planted near-duplicates": (
            "must be above 0.5",
            "Near copies of a few records, hidden among the synthetic images. The same attack must see them.",
        ),
        "positive: made to remember": (
            "should be above 0.5",
            "A model made to remember its records. If it is not found, the audit remains valid, but cannot clear the student.",
        ),
        "positive: teacher": (
            "should be above 0.5",
            "The teacher saw the records. If it is not found, the audit remains valid, but it cannot clear the student.",
        ),
    }
)


@typed()
def render_pipeline_audit(audit: Mapping[str, Any], *, title: str = "") -> str:
    """HTML text of one page on `PipelineAudit.to_json()` or its public half: offline, without a script, figures as SVG.

    Never shows the seed that drew canaries and members. Raises DataError for JSON of another schema.
    """
    schema = audit.get("schema") if isinstance(audit, Mapping) else audit
    if schema != SCHEMA:
        raise DataError(f"audit must be JSON of schema {SCHEMA}. Got {schema!r}. Give it private/audit/pipeline.json.")
    rows, table, found = attack_rows(audit), leak_table(audit), verdict(audit)
    level, (margin, auc_margin) = percent(confidence(audit)), _margins(audit)
    return page(
        "pipeline.html.j2",
        title=title or "What this recipe reveals",
        internal="seed" in _mapping(audit, "plan"),
        verdict=found,
        target=_judged(audit),
        line=str(audit.get("line") or found.word),
        scope=str(audit.get("scope", "")),
        networks=str(audit.get("networks", "")),
        mixed=mixed_code(audit),
        endpoint=str(audit.get("primary_endpoint", "")),
        level=level,
        margin=margin,
        auc_margin=auc_margin,
        table=table,
        forest=safe(
            canary_forest([(part.name, CANARIES[row.population], row) for part, row in table.canaries], CHANCE, margin)
        ),
        rows=rows,
        owned=leak_table(audit, owned=True),
        permutation=mappings(audit, "permutation"),
        sets=set_table(audit.get("sets")),
        worst=worst_table(audit),
        one_run=flat_table(audit.get("one_run")),
        controls=control_rows(audit),
        kinds=_kinds(control_rows(audit)),
        accuracies=_accuracies(audit),
        costs=_canary_costs(audit),
        facts=_others(audit),
        plan=_plan(audit),
        pipelines=_count(_mapping(audit, "plan").get("pipelines")),
        records=_count(_mapping(audit, "facts").get("records")),
        canaries=sum(planted(audit).values()),
        exposed=bool(_mapping(audit, "facts").get("exposed")),
        attacks=mappings(audit, "attacks"),
        notes=_notes(audit.get("notes")),
    )


def _notes(found: object) -> list[str]:
    return [str(note) for note in found] if isinstance(found, list) else []


@dataclass(frozen=True)
class ShadowPart:
    """What a run's reports say about its shadow pipelines."""

    verdict: Verdict  # on the student
    line: str  # the verdict in a few words
    pipelines: int | None  # how many; None where the audit does not say
    records: int | None  # of which each was given a half
    canaries: int  # planted among them
    table: LeakTable  # what each part reveals
    mixed: str  # where code of several versions made them
    networks: str  # which they had, in a sentence


def shadow_part(audit: Mapping[str, Any] | None) -> ShadowPart | None:
    """The section of a run's reports; None where no pipeline audit was made."""
    if not audit:
        return None
    found = verdict(audit)
    pipelines = _count(_mapping(audit, "plan").get("pipelines"))
    records, canaries = _count(_mapping(audit, "facts").get("records")), sum(planted(audit).values())
    line, networks = str(audit.get("line") or found.word), str(audit.get("networks", ""))
    return ShadowPart(found, line, pipelines, records, canaries, leak_table(audit), mixed_code(audit), networks)


def mixed_code(audit: Mapping[str, Any]) -> str:
    """One line where kept runs of several versions of the code were audited together, with their shares where they are told;
    else ""."""
    facts = _mapping(audit, "facts")
    versions, shares = max(len(_mapping(facts, "code")), _count(facts.get("code_versions")) or 0), "; ".join(_makers(audit))
    return f"Kept runs of {versions} code versions were mixed{f': {shares}' if shares else ''}." if versions > 1 else ""


def _makers(audit: Mapping[str, Any]) -> list[str]:
    """The versions of the code that made the runs, with their shares where there are several."""
    code = _mapping(_mapping(audit, "facts"), "code")
    return list(code) if len(code) == 1 else [f"{name} ({share:.0%})" for name, share in code.items()]


def planted(audit: Mapping[str, Any]) -> dict[str, int]:
    """Canaries of each kind."""
    return dict(_mapping(_mapping(audit, "facts"), "canaries"))


def _mapping(audit: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = audit.get(key)
    return found if isinstance(found, Mapping) else {}


def _count(value: Any) -> int | None:
    found = number(value)
    return None if found is None else int(found)


def _margins(audit: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Margins of the TPR at 1 % and of the AUC; None in JSON from before they were written."""
    margins = _mapping(audit, "margins")
    return number(margins.get("tpr_at_1pct")), number(margins.get("auc"))


def _judged(audit: Mapping[str, Any]) -> str:
    """The target that the verdict is about."""
    same = [row for row in mappings(audit, "verdicts") if row.get("sentence") == audit.get("sentence")]
    names = [str(row.get("target", "")) for row in same]
    return "student" if "student" in names or not names else names[0]


def _kinds(controls: Sequence[ControlRow]) -> list[dict[str, Any]]:
    """Of every kind of control: what it must give, what it means, and how many of it passed."""
    found: list[dict[str, Any]] = []
    for name in dict.fromkeys(row.control for row in controls):
        mine = [row for row in controls if row.control == name]
        wanted, meaning = _CONTROLS.get(name, ("–", "–"))
        passed = sum(row.passed is True for row in mine)
        found.append({"name": name, "wanted": wanted, "meaning": meaning, "passed": passed, "tried": len(mine)})
    return found


def worst_table(audit: Mapping[str, Any]) -> FlatTable | None:
    """The worst record of the models for which it was measured."""
    found = [(name, worst_record(audit, name)) for name in ("student", "positive control")]
    rows = tuple(
        (
            name,
            f"{row.get('records')} {row.get('counted_in')}",
            str(row["pairs"]),
            *(f"{100 * row[key]:.1f} %" for key in ("low", "high", "high_by_luck")),
        )
        for name, row in found
        if row is not None
    )
    return FlatTable(("model", "compared", "pairs", "lower limit", "upper limit", "by luck alone"), rows) if rows else None


def _accuracies(audit: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Accuracy on records left out, of every model that had canaries among its records."""
    found = _mapping(_mapping(audit, "facts"), "accuracy")
    return [(name, f"{100 * value:.1f} %") for name, value in found.items()]


def _canary_costs(audit: Mapping[str, Any]) -> FlatTable | None:
    """Accuracy with and without canaries of the pipelines that ran twice; None where none did."""

    def percent(value: object) -> str:
        known = number(value)
        return "–" if known is None else f"{100 * known:.1f} %"

    found = mappings(audit, "canary_costs")
    texts = ("classifier", "with_canaries", "without_canaries", "spread")
    rows = tuple((str(row.get(texts[0])), *(percent(row.get(key)) for key in texts[1:])) for row in found)
    return FlatTable(("model", "with canaries", "without", "scatter of all pipelines"), rows) if rows else None


def _others(audit: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What else the pipelines reported, and what the audit counted."""
    facts = _mapping(audit, "facts")
    exposed = _mapping(facts, "exposed")
    counted = {
        "records that the student gives away": exposed.get("records"),
        "such records by luck alone": exposed.get("by_luck"),
        "share of all excess risk in the top 1 % of records": exposed.get("top_share"),
    }
    private = {f"epsilon of {name}": model["epsilon"] for name, model in _mapping(facts, "by_dp_sgd").items()}
    found = {**_mapping(facts, "reported"), **private, **{k: v for k, v in counted.items() if v is not None}}
    return [(str(k), plain(v)) for k, v in found.items() if "seed" not in str(k)]


def _plan(audit: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What was fixed beforehand, and what it cost."""
    plan, facts = _mapping(audit, "plan"), _mapping(audit, "facts")
    runs, seconds = number(plan.get("pipelines")), number(facts.get("seconds_per_pipeline"))
    found = {
        "budget": plan.get("budget"),
        "pipelines": plan.get("pipelines"),
        "seconds of one pipeline": None if seconds is None else f"{seconds:.1f}",
        "minutes of all pipelines, one after the other": None if None in (runs, seconds) else f"{runs * seconds / 60:.1f}",  # type: ignore[operator]
        "records, canaries included": _count(facts.get("records")),
        **{f"canaries, {kind}": count for kind, count in planted(audit).items()},
        "queries per record": plan.get("views"),
        "synthetic images compared, at most": plan.get("synthetic"),
        "level of intervals": percent(confidence(audit)),
        "attacks": ", ".join(map(str, plan.get("attacks") or ())) or None,
        "decided beforehand by": audit.get("primary_endpoint"),
        "code that ran them": "; ".join(_makers(audit)) or None,
    }
    return [(name, plain(value)) for name, value in found.items() if value is not None]
