"""Write the generated pages of docs/ from the code, and the README's tables; with --check, say if they are out of date."""

from __future__ import annotations

import inspect
import json
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
from _evidence_tables import evidence, fidelity, frontier, growth
from _leakage_tables import canary_costs, false_alarms
from _reference import api, json_fields
from pydantic import BaseModel

from upcycle._presets import PRESETS
from upcycle.audit import audit_schema, pipeline_schema, released_schema
from upcycle.cli import cli
from upcycle.config import FAMILIES, Config
from upcycle.data import CheckReport
from upcycle.runs import Comparison, GapSummary, Leak, Measured, Pair, RunFacts, settings_line, table
from upcycle.runs.folder import ByClass

ROOT = Path(__file__).parent.parent
DOCS, RESULTS = ROOT / "docs", ROOT / "benchmarks" / "results"
_BEGIN, _END = "<!-- results:begin -->", "<!-- results:end -->"
_NOTICE = "<!-- Written by scripts/render_docs.py. Change the code, then run it. -->\n"


def command_help() -> str:
    """The help text of every command."""
    context = click.Context(
        cli, info_name="upcycle", terminal_width=100, max_content_width=100, help_option_names=["-h", "--help"]
    )
    parts = [f"# Command line\n\n{_NOTICE}\n```text\n{cli.get_help(context)}\n```\n"]
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        inner = click.Context(command, info_name=name, parent=context, terminal_width=100, max_content_width=100)
        parts.append(f"## upcycle {name}\n\n```text\n{command.get_help(inner)}\n```\n")
    return "\n".join(parts)


def settings() -> str:
    """Every setting with its values in the presets, then the settings of each family of generators."""
    shown = [preset for preset in PRESETS if preset != "smoke"]
    head = "Change a setting with `--set name=value` or in a YAML file passed with `--config`."
    parts = [f"# Settings\n\n{_NOTICE}\n{head}", _table(_rows(Config, "", shown), shown)]
    for family, model in FAMILIES.items():
        mine = [preset for preset in shown if PRESETS[preset].generator.family == family]
        title = f"## generator, family {family}\n\n{inspect.getdoc(model)}"
        parts.append(f"{title}\n\n{_table(_rows(model, 'generator.', mine, model()), ['default', *mine])}")
    return "\n\n".join(parts) + "\n"


def api_page() -> str:
    """Every public name."""
    head = "Public functions take and return uint8 images, channels last. Shares are fractions, gaps are percentage points."
    return f"# Python\n\n{_NOTICE}\n{head}\n\n{api()}"


def json_page() -> str:
    """What --json prints."""
    parts = [f"# JSON\n\n{_NOTICE}\n{_JSON_HEAD}"]
    for title, model, text in _JSON:
        parts.append(f"## {title}\n\n{text}\n\n{json_fields(model, _CHECK)}\n")
    return "\n".join(parts)


_JSON_HEAD = """`--json` prints one object on standard output and nothing else. A run then shows its progress on standard error.
Errors go there too, with exit code 2 and nothing on standard output. Every object starts with `schema_version` (1; it changes
when a field changes its meaning, not when one is added) and `kind` (`check`, `run`, `comparison`, `release`,
`predictions`, `verification`). No value is about a single record.

| command | kind |
| --- | --- |
| `check` | [check](#check) |
| `run`, `demo`, `train-teacher`, `train-generator`, `distil`, `audit`, `report`, `show` | [run](#run) |
| `compare` | [comparison](#comparison) |
| `release` | release: `folder`, `verdict`, `accepted_risk`, `files`, `left_out` (private draws), `exports`, `missing` |
| `verify` | verification: `folder`, `wrong`, `findings` (`check`, `word`: fine, look, wrong or not checked, `text`) |
| `predict` | predictions: `class_names`, `predictions` (`name`, `label`, `class`, `probabilities` of every image) |

The file `release/audit.json` of a run contains the whole audit, with every attack and control. It has its own
`schema_version`; its rows and controls are `AuditRow` and `Control` in [api.md](api.md). If the run also has shadow pipelines,
`verdict`, `line` and `sentence` are about both audits ([concepts.md](concepts.md#two-audits-one-verdict)), `merged` says how
they were merged, and `pipelines` contains the second audit with its plan, primary endpoint and verdicts; everything else is
about the run.

| file | schema |
| --- | --- |
| `release/audit.json` | [released-audit.schema.json](released-audit.schema.json) |
| `private/audit/audit.json` | [audit.schema.json](audit.schema.json) |
| `private/audit/pipeline.json`, `audit RUN --budget --json` | [pipeline-audit.schema.json](pipeline-audit.schema.json) |
"""
_CHECK = {
    "name": "name of the data set",
    "size": "side of the images in pixels",
    "channels": "1 (grey) or 3 (RGB)",
    "class_names": "names of the classes, in the order of the labels",
    "counts": "split -> images per class",
    "groups": "split -> number of groups (patients); empty if there are none",
    "duplicates_within": "split -> images that repeat an earlier image of the split",
    "duplicates_between": "two splits -> images of the second that are also in the first",
    "notes": "how the data was changed on reading",
    "warnings": "what to know before the work starts",
}
_JSON = (
    (
        "check",
        CheckReport,
        "How a data set was understood. Duplicates are byte-identical images. Also `forecasts`, what its audits can show "
        "([Forecast](api.md#upcycleauditforecast)), `not_forecast`, why some cannot be asked, and `minutes` of a run, where "
        "they were asked for with `--minutes`.",
    ),
    (
        "run",
        RunFacts,
        "One run folder; also `total_minutes`, the sum of `minutes`. An unfinished run has nulls and empty objects.",
    ),
    ("Measured", Measured, "A number with its interval."),
    ("Leak", Leak, "The audit of one target."),
    ("ByClass", ByClass, "What stands next to the accuracies on the test images."),
    ("comparison", Comparison, "Several runs. In JSON each run is an object as above."),
    ("Pair", Pair, "Two students on the same test images."),
)


def _table(rows: list[str], columns: list[str]) -> str:
    return "\n".join([f"| setting | {' | '.join(columns)} | meaning |", f"| --- |{' --- |' * len(columns)} --- |", *rows])


def _rows(model: type[BaseModel], prefix: str, shown: list[str], default: BaseModel | None = None) -> list[str]:
    """One row a setting: its value in `default` if there is one, then in the presets `shown`."""
    rows = []
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            rows += _rows(inner, f"{prefix}{name}.", shown)
            continue
        if field.discriminator:  # the generator: its family here, the rest in the table of that family
            rows.append(f"| `{name}.family` | {' | '.join(PRESETS[p].generator.family for p in shown)} | see below |")
            continue
        values = [] if default is None else [str(getattr(default, name))]
        for preset in shown:
            value: object = PRESETS[preset]
            for part in f"{prefix}{name}".split("."):
                value = getattr(value, part)
            values.append(str(value))
        shortened = [value if len(value) < 80 else "edm and gan, equal shares" for value in values]
        rows.append(f"| `{prefix}{name}` | {' | '.join(shortened)} | {field.description or ''} |")
    return rows


def readme() -> str:
    """README.md with the tables of benchmarks/results between its two marks."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    before, after = text.split(_BEGIN)[0], text.split(_END)[1]
    parts = [part for part in (_study(), _leaks()) if part]
    return f"{before}{_BEGIN}\n" + "\n\n".join(parts) + f"\n{_END}{after}"


def results() -> str:
    """The page of all measurements that are not of leakage."""
    sections = {
        "What every step of the method adds": _ablation(),
        "Tuning: the greedy grid against halving": _selection(),
        "Families of generators at equal processor time": _generators(),
        "Single runs": _utility(),
        "Speed of the loops": _speed(),
        "How time and memory grow": _growth(),
        "Killed, cut off, damaged": _reliability(),
        "Memory of hostile files": _memory(),
        "Damaged and hostile bytes": _fuzz(),
    }
    about = "[log.md](log.md) says what the experiments showed and what failed. [leakage.md](leakage.md) is about leakage."
    parts = [
        f"# Measurements\n\n{_NOTICE}\n{about}\n",
        *(f"## {title}\n\n{text}\n" for title, text in sections.items() if text),
    ]
    return "\n".join(parts).replace("](bench", "](../bench")


def _result(name: str) -> dict[str, Any] | None:
    path = RESULTS / name
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


def _source(result: dict[str, Any], name: str) -> str:
    machine = result["machine"]
    commits = sorted({str(row.get("commit", result["commit"])) for row in result["rows"]})
    return (
        f"From [{name}](benchmarks/results/{name}): `{result['command']}`, {result['date']}, commit {', '.join(commits)}, "
        f"{machine['cpu']}, {machine['cores']} cores, torch {machine['torch']}."
    )


def _study() -> str:
    result = _result("study.json")
    if result is None:
        return ""
    lines = table(result["rows"], [GapSummary(**gap) for gap in result["gaps"]])
    note = (
        "Preset quick. Means over seeds; brackets are 95 % intervals over seeds and test images; b is baseline, s is student."
        " Every run read its test split once; docs/log.md has earlier recipes and their results."
        " Minutes are of one core while other programs ran."
    )
    if len({row["commit"] for row in result["rows"]}) > 1:
        note += " The rows come from several commits; docs/log.md says what changed between them."
    note = f"{note} {settings_line(result['rows'])}".strip()
    return "\n".join([*lines, "", f"{note} {_source(result, 'study.json')} More: [docs/results.md](docs/results.md)."])


def _ablation() -> str:
    """Means over seeds, of all steps in their order; steps of one commit together, since they build on one another."""
    result = _result("ablation.json")
    if result is None:
        return ""
    head = (
        "| data | commit | step | seeds | validation accuracy | log-likelihood | accuracy on non-members | log-likelihood "
        "| minutes |"
    )
    lines = [head, "| --- | --- | --- |" + " ---: |" * 6]
    places = dict.fromkeys((row["dataset"], row["commit"], row["step"]) for row in result["rows"])
    for place in sorted(places, key=lambda place: place[:2]):
        mine = [row for row in result["rows"] if (row["dataset"], row["commit"], row["step"]) == place]
        keys = [f"{who}_{what}" for who in ("validation", "non_member") for what in ("accuracy", "log_likelihood")]
        cells = [f"{statistics.fmean(row[key] for row in mine):.4f}" if key in mine[0] else "-" for key in keys]
        lines.append(f"| {' | '.join(place)} | {len(mine)} | {' | '.join(cells)} | {_minutes(mine)} |")
    note = (
        'Steps with a "+" are added one by one to the last step without one, of the same commit; the test split is not read. '
        "Minutes of one core: the student and its bank, plus what has to be made beforehand."
    )
    return "\n".join([*lines, "", f"{note} {_source(result, 'ablation.json')}"])


def _minutes(rows: Sequence[dict[str, Any]]) -> str:
    """Mean minutes of a step, those of preparing it apart; none of older rows, which shared banks without billing them."""
    if "drawing_minutes" not in rows[0]:
        return "-"
    spent, before = (statistics.fmean(row[key] for row in rows) for key in ("minutes", "preparing_minutes"))
    return f"{spent:.1f}" + (f" + {before:.1f}" if before else "")


def _selection() -> str:
    result = _result("selection.json")
    if result is None:
        return ""
    head = "| data | strategy | trials | images | minutes | chosen | student on validation | on non-members |"
    lines = [head, "| --- | --- |" + " ---: |" * 3 + " --- | ---: | ---: |"]
    for row in result["rows"]:
        chosen = ", ".join(f"{name.split('.')[1]} {value}" for name, value in row["best"].items())
        cells = [row["dataset"], row["strategy"], row["trials"], f"{row['images']:,}", row["minutes"], chosen]
        lines.append(f"| {' | '.join(map(str, cells))} | {row['validation_cas']:.4f} | {row['non_member_cas']:.4f} |")
    return "\n".join([*lines, "", _source(result, "selection.json")])


def _generators() -> str:
    result = _result("generators.json")
    if result is None:
        return ""
    head = (
        "| data | preset | generator | CPU minutes | images/s drawn | validation accuracy (log-likelihood), hard labels "
        "| soft labels | teacher agrees | teacher |"
    )
    lines = [head, "| --- | --- | --- |" + " ---: |" * 6]
    for row in result["rows"]:
        cells = [row["dataset"], row["preset"], row["generator"], row["cpu_minutes"], row["images_per_second_sample"]]
        scores = ("validation_cas", "validation_gkd", "teacher_agreement", "teacher_validation_accuracy")
        lines.append(f"| {' | '.join(map(str, cells))} | {' | '.join(_with_likelihood(row, name) for name in scores)} |")
    return "\n".join([*lines, "", _source(result, "generators.json")])


def _with_likelihood(row: dict[str, Any], name: str) -> str:
    """A score, with its log-likelihood if the row has one."""
    likelihood = row.get(f"{name}_log_likelihood")
    return f"{row[name]:.3f}" + (f" ({likelihood:.3f})" if likelihood is not None else "")


def _utility() -> str:
    result = _result("utility.json")
    if result is None:
        return ""
    head = (
        "| data | preset | seed | baseline | student | gap, points | test images | attack AUC, student | teacher | verdict "
        "| minutes |"
    )
    rows = [head, "| --- |" + " --- |" * 10]
    for row in sorted(result["rows"], key=lambda r: (r["dataset"], r["preset"], r["seed"])):
        gap = f"{row['gap_points']:+.2f} [{row['gap_interval'][0]:+.2f}, {row['gap_interval'][1]:+.2f}]"
        leaks = [f"{v:.3f} [{low:.3f}, {high:.3f}]" for v, low, high in (row["attack_auc"][t] for t in ("student", "teacher"))]
        rows.append(
            f"| {row['dataset']} | {' '.join([row['preset'], *row.get('overrides', [])])} | {row['seed']} "
            f"| {row['baseline_accuracy']:.3f} | {row['student_accuracy']:.3f} "
            f"| {gap} | {row['test_images']} | {leaks[0]} | {leaks[1]} | {row['audit_verdict']} | {row['minutes']:.0f} |"
        )
    note = (
        "Brackets are 95 % intervals over the test images. An audit saw the teacher leak only if its interval excludes 0.5."
        " Only digits, and seed 0 of quick on blood cells, were timed on an idle machine; the other minutes are upper bounds."
    )
    return "\n".join([*rows, "", f"{note} {_source(result, 'utility.json')}"])


def _speed() -> str:
    result = _result("speed.json")
    if result is None:
        return ""
    rows = ["| loop | preset | shape | images/s | bare 3x3 convolutions | share |", "| --- | --- | --- | --- | --- | --- |"]
    for row in result["rows"]:
        cells = [
            row["loop"],
            row["preset"],
            row["shape"],
            f"{row['images_per_second']:.0f}",
            f"{row['roof_images_per_second']:.0f}",
        ]
        rows.append(f"| {' | '.join(cells)} | {row['share']:.2f} [{row['share_low']:.2f}, {row['share_high']:.2f}] |")
    note = "Brackets are the lowest and highest of seven measurements, in which loop and bare convolutions alternated."
    return "\n".join([*rows, "", f"{note} {_source(result, 'speed.json')}"])


def _growth() -> str:
    result = _result("growth.json")
    if result is None:
        return ""
    note = (
        "Each case in a separate process, on one core; where sides or classes grow there are 4,000 records. Seconds are of "
        "the processor, after a few images of the same. MB: the largest resident memory, libraries (up to 570 MB where "
        "networks learn) and mapped files included. Exponents are slopes of logarithms over all turns, with their standard "
        "error. The help of the module says what each stage does."
    )
    return f"{growth(result['rows'])}\n\n{note} {_source(result, 'growth.json')}"


def _reliability() -> str:
    result = _result("reliability.json")
    if result is None:
        return ""
    columns = ("harness", "case", "what", "points", "of", "survived", "named", "silent", "tracebacks")
    rows = [f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]
    others = [row for row in result["rows"] if row["harness"] != "memory"]
    rows += [f"| {' | '.join(str(row.get(column, '')) for column in columns)} |" for row in others]
    note = (
        "Points: moments or damages tried, of all there are. Survived: finished with the bits of an undisturbed run. Named: "
        "ended in one line with the file or the cause, and what to do. Silent: finished with other bits."
    )
    return "\n".join([*rows, "", f"{note} {_source(result, 'reliability.json')}"])


def _memory() -> str:
    """The kinds of hostile files that took most."""
    result = _result("reliability.json") or {"rows": []}
    found = [row for row in result["rows"] if row["harness"] == "memory" and row["megabytes"] is not None]
    if not found:
        return ""
    largest = sorted(found, key=lambda row: -row["megabytes"])[:20]
    rows = ["| kind | MB of the file | MB at the peak | seconds | outcome |", f"|{' --- |' * 5}"]
    rows += [
        f"| {row['case']} | {row['file_megabytes']} | {row['megabytes']} | {row['seconds']} | {row['outcome']} |"
        for row in largest
    ]
    within = sum(row["survived"] for row in result["rows"] if row["harness"] == "memory")
    note = (
        f"The largest of {len(found)} kinds of files of at most 10 MB, each read by the product's loader in a fresh process. "
        "MB at the peak: resident memory above that after the imports, in 2^20 bytes. "
        f"{within} end in a result or a line, within {found[0]['bound']} MB."
    )
    return "\n".join([*rows, "", f"{note} {_source(result, 'reliability.json')}"])


def _fuzz() -> str:
    result = _result("fuzz.json")
    if result is None:
        return ""
    columns = ("target", "executions", "seconds", "cpu_seconds", "slowest_seconds", "memory_mb", "coverage")
    rows = [f"| {' | '.join(columns)} | findings |", f"|{' --- |' * (len(columns) + 1)}"]
    for row in result["rows"]:
        rows.append(f"| {' | '.join(str(row[column]) for column in columns)} | {len(row['findings'])} |")
    note = (
        "Every reader and loader as a function of bytes. Memory: how far the peak of the process grew. Coverage: edges seen. "
        "A finding is a traceback, more than 5 s, or more than 500 MB. What was found interesting is in benchmarks/corpus."
    )
    return "\n".join([*rows, "", f"{note} {_source(result, 'fuzz.json')}"])


def leakage() -> str:
    """The page of what audits by shadow pipelines found in every part."""
    about = (
        "Shadow pipelines with canaries on public data: what `upcycle audit RUN --budget` reports for these recipes. "
        "[sharp-edges.md](sharp-edges.md) says what follows."
    )
    measured = (_part(title, about, name, table) for title, about, name, table in _MEASURED)
    parts = [
        f"# What our audits found in our own students\n\n{_NOTICE}\n{about}",
        _audit(),
        _canary_costs(),
        *measured,
        _false_alarms(),
    ]
    return "\n\n".join(filter(None, parts)).replace("](bench", "](../bench") + "\n"


_MEASURED = (
    (
        "What the recipes buy: accuracy against leakage",
        "Every cell has the highest AUC of the attacks on records of that kind. After it, for planted records, come the share "
        'found at 1 % false positives and its upper 95 % limit. "strong" is `--privacy strong`. Accuracy is measured '
        "on records left out, its difference to plain Knowledge Recycling is in points. Minutes are of a pipeline on one core.",
        "frontier.json",
        frontier,
    ),
    (
        "A run's own evidence: forecast and outcome",
        "`upcycle run` with the preset quick and its default evidence. The plan says before the run whether NO LEAK FOUND is "
        "within reach. Planted labels: of the wrong labels that canaries carry, the share that the student, or a model made to "
        "remember, gives a probability above a half; first of those that it was given, then of those that it was not. The last "
        "columns are minutes.",
        "evidence.json",
        evidence,
    ),
    (
        "What small networks change in an audit",
        "The same records, planted ones and coins, once with the small networks of `upcycle audit`, once with the networks and "
        "budgets of a run (`--networks own`). Brackets are 95 % intervals.",
        "fidelity.json",
        fidelity,
    ),
)


def _part(title: str, about: str, name: str, table: Callable[[list[dict[str, Any]]], str]) -> str:
    result = _result(name)
    return "" if result is None else f"## {title}\n\n{about}\n\n{table(result['rows'])}\n\n{_source(result, name)}"


def _canary_costs() -> str:
    result = _result("audit.json")
    table = "" if result is None else canary_costs(result["rows"])
    about = (
        "## What the canaries cost\n\nAccuracy on real records that were left out, for the first two pipelines with canaries "
        "and without, on the same records and seeds. A difference below the scatter (a standard deviation) means nothing."
    )
    return table and f"{about}\n\n{table}"


def _false_alarms() -> str:
    result = _result("calibration.json")
    if result is None:
        return ""
    about = (
        "## How often an audit errs where nothing leaks\n\nSimulated audits of n members and n non-members whose scores know "
        "nothing: the share of audits in which a bound, a p-value or a verdict is wrong, next to the declared rate. p-values, "
        "95 % intervals and the one-run bound at a threshold fixed beforehand are exact or nearly so and scatter about 5 % (a "
        "test computes that this bound is wrong in 4.7 to 4.95 %); the other bounds and the word LEAKS stay below."
    )
    return f"{about}\n\n{false_alarms(result['rows'])}\n\n{_source(result, 'calibration.json')}"


def _audit(targets: tuple[str, ...] = ()) -> str:
    """What shadow pipelines with canaries found, by the planned attack: the ratio with shadows, the loss threshold without; of
    all targets, or of some."""
    result = _result("audit.json")
    if result is None:
        return ""
    head = (
        "| data | budget | target | AUC, clean | AUC, outliers | AUC, mislabelled canaries "
        "| canaries found at 1 % false positives | wrong label first (chance) | verdict |"
    )
    attacks = [row for row in result["rows"] if row["kind"] == "attack"]
    tests = {_place(row): row for row in result["rows"] if row["kind"] == "label permutation"}
    lines = [head, "| --- |" + " --- |" * 8]
    for place in dict.fromkeys(map(_place, attacks)):
        mine = [row for row in attacks if _place(row) == place]
        chosen = {row["population"]: row for row in mine if row["attack"] == _planned(mine)}
        if {"clean", "canary"} <= set(chosen) and (not targets or place[-1] in targets):
            first = f"{tests[place]['ranked_first']:.0%} ({tests[place]['chance']:.0%})" if place in tests else "-"
            cells = [_interval(chosen.get(name), "auc") for name in ("clean", "outlier", "canary")]
            cells += [_interval(chosen["canary"], "tpr_at_1pct"), first, chosen["clean"]["verdict"]]
            dataset, budget, overrides, target = place
            lines.append(f"| {dataset} | {f'{budget} {overrides}'.strip()} | {target} | {' | '.join(cells)} |")
    note = "Small networks, all stages in every pipeline; brackets are 95 % intervals over records and pipelines."
    return "\n".join([*lines, "", f"{note}{_commits(attacks)} {_source(result, 'audit.json')}"])


def _commits(rows: list[dict[str, Any]]) -> str:
    """Which rows are of which commit, where there are several."""
    made: dict[str, list[str]] = {}
    for row in rows:
        place, names = " ".join(_place(row)[:3]).strip(), made.setdefault(row["commit"], [])
        names += [place] if place not in names else []
    said = "; ".join(f"{commit}: {', '.join(names)}" for commit, names in made.items())
    return f" By commit: {said}." if len(made) > 1 else ""


def _leaks() -> str:
    found = _audit(("student", "teacher"))
    if not found:
        return ""
    return (
        f"{found} [docs/leakage.md](docs/leakage.md) has all targets, and students of other temperatures and with hard labels."
    )


def _place(row: dict[str, Any]) -> tuple[str, str, str, str]:
    return row["dataset"], row["budget"], row.get("overrides") or "", row["target"]


def _planned(rows: list[dict[str, Any]]) -> str:
    """The attack of a target's line in the table: the first that the audit planned on it with shadows, or else without."""
    names = [str(row["attack"]) for row in rows]
    return next((name for name in names if "Student-t ratio" in name), names[0])


def _interval(row: dict[str, Any] | None, key: str) -> str:
    if row is None or row[key] is None:
        return "-"
    return f"{row[key]:.3f} [{row[f'{key}_low']:.3f}, {row[f'{key}_high']:.3f}]"


def main() -> int:
    stale = []
    pages = {
        DOCS / "cli.md": command_help(),
        DOCS / "settings.md": settings(),
        DOCS / "api.md": api_page(),
        DOCS / "json.md": json_page(),
        DOCS / "leakage.md": leakage(),
        DOCS / "results.md": results(),
        DOCS / "audit.schema.json": json.dumps(audit_schema(), indent=1) + "\n",
        DOCS / "pipeline-audit.schema.json": json.dumps(pipeline_schema(), indent=1) + "\n",
        DOCS / "released-audit.schema.json": json.dumps(released_schema(), indent=1) + "\n",
        ROOT / "README.md": readme(),
    }
    for path, text in pages.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(path.name)
            if "--check" not in sys.argv:
                path.write_text(text, encoding="utf-8")
    if "--check" in sys.argv and stale:
        print(f"{', '.join(stale)} must match the code and the results. Run: python scripts/render_docs.py")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
