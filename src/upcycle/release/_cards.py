"""MODEL_CARD.md and DATA_CARD.md with the front matter that model and data hubs read, and README.txt."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from upcycle.release._exports import Comparison, interface
from upcycle.release._gate import Permit
from upcycle.release._material import Material, ReleaseOptions, hub_licence

_MARKUP = re.compile(r"([\\`*_{}\[\]<>()#|~$!])")
_SIZES: Final = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_PRIORS: Final = {"balanced": "equal for every class", "members": "those of the private training images"}


@dataclass(frozen=True, eq=False)
class Contents:
    """What was written, for the cards to tell: comparisons by file name, draws left out as copies (None: no set), and what is
    known of the generator that leaves too, empty where none does."""

    material: Material
    options: ReleaseOptions
    given: Permit
    exports: Mapping[str, Comparison]
    left_out: int | None
    generator: Mapping[str, Any] = field(default_factory=dict)


def write_cards(contents: Contents, folder: Path) -> None:
    """Write the cards and README.txt."""
    pages = {"README.txt": ("README.txt.j2", ""), "MODEL_CARD.md": ("MODEL_CARD.md.j2", _yaml(_model_front(contents)))}
    if contents.options.images:
        pages["DATA_CARD.md"] = ("DATA_CARD.md.j2", _yaml(_data_front(contents)))
    if contents.generator:
        pages["GENERATOR_CARD.md"] = ("GENERATOR_CARD.md.j2", _yaml(_generator_front(contents)))
    environment, values = _environment(), _values(contents)
    for name, (template, front) in pages.items():
        (folder / name).write_text(environment.get_template(template).render(**values, front=front), encoding="utf-8")


def warning(given: Permit) -> str:
    """`plain_warning` for Markdown: the first words of every card."""
    words = f"Audit verdict: {given.verdict}. {given.meaning}"
    return words if given.accepted_risk is None else f"{words} Risk accepted: {escaped(given.accepted_risk)}"


def plain_warning(given: Permit) -> str:
    """The verdict, and the risk where somebody took one, as plain text on one line."""
    words = f"Audit verdict: {given.verdict}. {given.meaning}"
    return words if given.accepted_risk is None else f"{words} Risk accepted: {' '.join(given.accepted_risk.split())}"


def escaped(text: str) -> str:
    """Text on one line whose characters mean nothing in Markdown or HTML."""
    return _MARKUP.sub(r"\\\1", " ".join(str(text).split()))


def _environment() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(  # Markdown; every text of the user passes `escaped`
        loader=PackageLoader("upcycle.release"), undefined=StrictUndefined, keep_trailing_newline=True, trim_blocks=False
    )
    environment.filters.update({"cell": escaped, "text": escaped})
    return environment


def _values(contents: Contents) -> dict[str, Any]:
    m, asked = contents.material, contents.options
    evaluation = m.evaluation or {}
    accuracy = evaluation.get("accuracy", {})
    return {
        "m": m,
        "given": contents.given,
        "warning": f"**{warning(contents.given)}**",
        "plain_warning": plain_warning(contents.given),
        "exports": contents.exports,
        "face": interface(m.preprocess, m.classes),
        "steps": m.preprocess.lines(),
        "evaluation": evaluation,
        "accuracy": accuracy.get("student"),
        "calibration": evaluation.get("calibration"),
        "border": m.architecture.get("border"),
        "by_class": evaluation.get("by_class"),
        "baseline": accuracy.get("baseline"),
        "count": asked.images,
        "prior": _PRIORS[asked.prior],
        "formats": asked.formats,
        "left_out": contents.left_out,
        "generator": contents.generator,
        "licence": asked.licence or "None was chosen. Without one, others may not use this. Release again with `--licence`.",
    }


def _model_front(contents: Contents) -> dict[str, Any]:
    m = contents.material
    front: dict[str, Any] = {
        **hub_licence(contents.options.licence),
        "library_name": "upcycle",
        "pipeline_tag": "image-classification",
        "tags": ["image-classification", "knowledge-distillation", "trained-on-synthetic-data", _verdict_tag(contents.given)],
    }
    accuracy = (m.evaluation or {}).get("accuracy", {}).get("student")
    if accuracy:
        front["metrics"] = ["accuracy"]
        result = {
            "task": {"type": "image-classification"},
            "dataset": {"name": "private test split", "type": "private"},
            "metrics": [{"type": "accuracy", "value": round(float(accuracy[0]), 4)}],
        }
        front["model-index"] = [{"name": "student", "results": [result]}]
    return front


def _data_front(contents: Contents) -> dict[str, Any]:
    asked = contents.options
    size = next((word for limit, word in _SIZES if asked.images < limit), "n>1M")
    front: dict[str, Any] = {
        **hub_licence(asked.licence),
        "pretty_name": "Synthetic images with soft labels",
        "task_categories": ["image-classification"],
        "size_categories": [size],
        "tags": ["synthetic", "soft-labels", _verdict_tag(contents.given)],
    }
    globs = {"parquet": "synthetic/parquet/*.parquet", "webdataset": "synthetic/webdataset/*.tar"}
    found = next((glob for form, glob in globs.items() if form in asked.formats), None)
    if found:
        front["configs"] = [{"config_name": "default", "data_files": [{"split": "train", "path": found}]}]
    return front


def _generator_front(contents: Contents) -> dict[str, Any]:
    return {
        **hub_licence(contents.options.licence),
        "library_name": "upcycle",
        "pipeline_tag": "unconditional-image-generation",
        "tags": ["diffusion", "trained-on-synthetic-data", _verdict_tag(contents.given)],
    }


def _verdict_tag(given: Permit) -> str:
    return f"audit-{given.verdict.lower().replace(' ', '-')}"


def _yaml(values: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True)
