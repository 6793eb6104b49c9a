"""Which facts may leave. Everything is an allow-list; what is unknown stays inside."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from upcycle._small_cell import SMALL_CELL

_DATASET = ("size", "channels", "class_names")
_ENVIRONMENT = ("upcycle", "python", "platform", "cpus", "libraries")
_METRICS = ("images", "loss", "validation_accuracy")
_AUDIT = ("schema", "schema_version", "verdict", "line", "sentence", "primary_endpoint", "notes")
_PLAN = ("folds", "confidence")  # a seed repeats the coin flip that made the members
_ENDPOINT = ("statistic", "attack", "population", "chance", "margin")
_MERGED = ("verdict", "line", "sentence", "rule", "error", "shares")
_SIDE = ("name", "verdict", "at_its_share", "line", "sentence")
_PIPELINE_PLAN = (
    "budget",
    "pipelines",
    "canaries",
    "attacks",
    "views",
    "synthetic",
    "searched",
    "guessed",
    "confidence",
    "look",
    "without_canaries",
)
_PIPELINE_FACTS = ("records", "canaries")
_COPIES_HELD = ("target", "members", "non_members", "p_value")
_WORST = ("target", "records", "counted_in", "pairs", "value", "low", "high", "high_by_luck")
_MARGINS = ("auc", "tpr_at_1pct")
_PERMUTATION = ("target", "answers", "canaries", "ranked_first", "chance", "p_value")
_VERDICT = ("target", "role", "verdict", "sentence", "line", "p")
_ROW = (
    *("target", "role", "threat_model", "population", "attack", "primary", "n_members", "n_non_members", "p_value", "p_holm"),
    *("auc", "auc_low", "auc_high", "verdict", "tpr_p_value", "tpr_p_holm", "epsilon_low", "epsilon_cap", "epsilon_of"),
    *("units", "detectable"),
    *(f"tpr_at_{rate}{end}" for rate in ("1pct", "01pct") for end in ("", "_low", "_high", "_note")),
)
_CONTROL = ("control", "target", "attack", "wanted", "auc", "auc_low", "auc_high", "passed")
_COPIES = (
    *("images", "identical", "replicated", "closer", "closer_null_low", "closer_null_high", "closer_p_value"),
    *("compared_records", "median_to_members", "median_to_held_out", "compared_classes", "c_t", "c_t_worst"),
    *("c_t_worst_p_value", "near", "near_expected", "near_p_value", "authentic", "authentic_held_out", "authentic_ratio"),
)
_CARD = ("name", "paper", "access", "assumption", "threat_model", "population")
_PATH = re.compile(r"(?:[A-Za-z]:)?(?:[\\/]|~/|\.{1,2}/)[^\s'\",;:]+|file://\S+|[\w.-]+\.(?:npz|csv|dcm|h5|zip)\b")


def without_paths(text: str) -> str:
    """The text with file names and paths replaced by "(path)"; a ratio or a date without a leading slash is kept."""
    return _PATH.sub(_hidden, text)


def _hidden(found: re.Match[str]) -> str:
    before = found.string[: found.start()]
    divides = found[0].startswith(("/", "\\")) and before[-1:].isalnum() and found[0][1:2].isdigit()
    return found[0] if divides else "(path)"


def public_config(text: str) -> str:
    """Settings without paths and without seeds: a seed repeats the coin flip that made the members."""
    return without_paths(re.sub(r"(?m)^(\s*\w*seed\s*:).*$", r"\1 (kept inside)", text))


def public_dataset(dataset: Mapping[str, Any]) -> dict[str, Any]:
    """Shape, class names and counts; the name, notes and warnings of the reader speak of files and stay inside."""
    counts = {str(split): _counts(row) for split, row in (dataset.get("counts") or {}).items()}
    return {"name": "the private data set", **_only(dataset, _DATASET), "counts": counts}


def _counts(row: Mapping[Any, Any] | Sequence[Any]) -> Any:
    if isinstance(row, Mapping):
        return {key: _count(value) for key, value in row.items()}
    return [_count(value) for value in row]


def _count(value: Any) -> str | int:
    return f"under {SMALL_CELL}" if 0 < int(value) < SMALL_CELL else int(value)


def public_environment(environment: Mapping[str, Any]) -> dict[str, Any]:
    """Versions and the kind of machine, never its name, user or folders."""
    found: dict[str, Any] = {}
    for key, value in _only(environment, _ENVIRONMENT).items():
        inner = value.items() if isinstance(value, Mapping) else ()
        found[key] = {str(k): without_paths(str(v)) for k, v in inner} or without_paths(str(value))
    return found


def public_curves(curves: Mapping[str, Sequence[Mapping[str, float]]]) -> dict[str, list[dict[str, Any]]]:
    """The known metrics of every stage."""
    return {stage: [_only(row, _METRICS) for row in rows] for stage, rows in curves.items()}


def public_audit(audit: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The known aggregates of an audit; per-record fields, were there any, are dropped."""
    if not audit:
        return None
    parts = {"verdicts": _VERDICT, "rows": _ROW, "controls": _CONTROL, "attacks": _CARD}
    found: dict[str, Any] = {key: _each(audit.get(key), keys) for key, keys in parts.items()}
    found |= {"endpoint": _only(audit["endpoint"], _ENDPOINT)} if _is_mapping(audit, "endpoint") else {}
    found |= {"merged": _merged(audit["merged"])} if _is_mapping(audit, "merged") else {}
    return {**_only(audit, _AUDIT), **found, "plan": _only(_inner(audit, "plan"), _PLAN)}


def public_pipelines(audit: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The known aggregates of an audit by shadow pipelines: never the seed that drew canaries and members."""
    found = public_audit(audit)
    if not audit or found is None:
        return None
    found.pop("notes", None)
    inner = {"plan": _PIPELINE_PLAN, "facts": _PIPELINE_FACTS, "margins": _MARGINS}
    told = {key: _only(_inner(audit, key), keys) for key, keys in inner.items()}
    told["facts"]["code_versions"] = len(_inner(_inner(audit, "facts"), "code"))
    copies = _only(audit["copies"], _COPIES_HELD) if _is_mapping(audit, "copies") else None
    tests = _each(audit.get("permutation"), _PERMUTATION)
    worst = _each(audit.get("worst"), _WORST)
    return {**found, **_only(audit, ("scope", "networks")), **told, "permutation": tests, "copies": copies, "worst": worst}


def _merged(verdict: Mapping[str, Any]) -> dict[str, Any]:
    """The verdict of two audits, and what each says alone."""
    sides = {key: _only(_inner(verdict, key), _SIDE) for key in ("run", "pipelines")}
    return {**_only(verdict, _MERGED), **sides}


def _inner(audit: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    return audit[key] if _is_mapping(audit, key) else {}


def _is_mapping(audit: Mapping[str, Any], key: str) -> bool:
    return isinstance(audit.get(key), Mapping)


def public_copies(copies: Mapping[str, float] | None) -> dict[str, float] | None:
    """The known aggregates of the check for copies. A count of copies is shown however small: it is a warning."""
    return _only(copies, _COPIES) if copies else None


def _each(rows: Any, keys: Iterable[str]) -> list[dict[str, Any]]:
    return [_only(row, keys) for row in rows or () if isinstance(row, Mapping)]


def _only(row: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    return {key: row[key] for key in keys if key in row}


def public_roc(roc: Mapping[str, tuple[np.ndarray, ...]]) -> dict[str, tuple[np.ndarray, ...]]:
    """Every curve, and its band, read at 60 fixed rates: a step of the full curve is one record."""
    rates = np.geomspace(1e-3, 1, 60)
    return {
        target: (rates, *(np.interp(rates, fpr, column) for column in columns))
        for target, (fpr, *columns) in roc.items()
        if len(fpr)
    }
