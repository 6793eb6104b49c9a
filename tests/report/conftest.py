"""One piece of evidence with every part filled, and marks in the private parts that can be searched for."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.conftest import between_workers
from tests.report.trees import SEED, Trees
from upcycle.audit import CanaryCounts, PipelineAudit, audit, plan_for
from upcycle.data import ImageSet
from upcycle.report import Energy, Evidence, Neighbours, Sheet, render, render_comparison, render_pipeline_audit

NAMES = ("cat", "$dog^{", "<script>alert(1)</script>")
SECRETS = ("st-mary-hospital", "patient-4711", "scan-0815", "/srv/ward-7", "WARD7-PC", "group-333", "C:\\ward")
MARK, COPY, TWIN, FACE, ALIKE = (
    173,
    219,
    211,
    199,
    187,
)  # grey levels of the private images; nothing else has them; ALIKE: a sheet with a copy on it


def audit_row(target: str, attack: str = "loss threshold", **changes: object) -> dict[str, object]:
    row: dict[str, object] = {
        "target": target,
        "threat_model": "T1",
        "population": "clean",
        "attack": attack,
        "primary": attack == "loss threshold",
        "n_members": 1200,
        "n_non_members": 100,
        "auc": 0.61 if target == "student" else 0.83,
        "auc_low": 0.55,
        "auc_high": 0.87,
        "tpr_at_1pct": None,
        "tpr_at_1pct_low": None,
        "tpr_at_1pct_high": None,
        "tpr_at_1pct_note": "needs 300 non-members",
        "p_value": 0.01,
        "p_holm": 0.02,
        "record_names": ["scan-0815"],
    }
    return row | changes


def full_audit() -> dict[str, object]:
    control = {"control": "shuffled", "target": "student", "attack": "a", "auc": 0.5, "auc_low": 0.4, "auc_high": 0.6}
    return {
        "schema_version": 1,
        "verdict": "LEAKS",
        "sentence": "The best attack reached 0.61.",
        "margin": 0.55,
        "plan": {"folds": 5, "confidence": 0.9, "seed": 987654},
        "rows": [
            audit_row("teacher"),
            audit_row("student"),
            audit_row("student", "random forest", tpr_at_1pct=0.1, tpr_at_1pct_low=0.0, tpr_at_1pct_high=0.2),
        ],
        "controls": [control | {"passed": True}, control | {"control": "blind", "passed": False}],
        "attacks": [{"name": "loss threshold", "paper": "Yeom et al. 2018", "access": "logits", "assumption": "one coin"}],
        "per_record": {"group-333": [1, 0, 1]},
    }


@pytest.fixture(scope="session")
def evidence() -> Evidence:
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 3
    logits = {m: rng.normal(0, 1, (90, 3)) + 3 * np.eye(3)[labels] for m in ("baseline", "teacher", "student")}
    images = rng.integers(0, 150, (12, 8, 8, 1), dtype=np.uint8)
    return Evidence(
        title="st-mary-hospital: quick run",
        dataset={
            "name": "st-mary-hospital",
            "size": 8,
            "channels": 1,
            "class_names": NAMES,
            "counts": {"train": [4, 50, 600], "test": {"cat": 30, "$dog^{": 30, NAMES[2]: 30}},
            "notes": ("patient-4711 repaired",),
            "warnings": ("scan-0815 is there twice",),
            "folder": "/srv/ward-7/scans",
        },
        config_yaml="preset: quick\nseed: 987654\nout: /srv/ward-7/run\ncopy: C:\\ward\\x\nratio: 1/3\n",
        environment={
            "upcycle": "0.1.0",
            "hostname": "WARD7-PC",
            "libraries": {"torch": "2.13", "local": "/srv/ward-7/lib"},
        },
        minutes={"teacher": 1.5, "generator": 3.0},
        curves={
            "teacher": [{"images": n, "loss": 2.0 / n, "validation_accuracy": 0.1 * n} for n in (1, 2, 3)],
            "generator": [{"images": n, "loss": 0.4} for n in (10, 2000)],
        },
        test_labels=labels,
        logits=logits,
        accuracies={**dict.fromkeys(logits, (0.9, 0.85, 0.95)), "student": (0.881, 0.8, 0.94)},
        gap_points=(-1.5, -3.0, 0.5),
        audit=full_audit(),
        copies={
            "images": 2000,
            "identical": 0,
            "replicated": 0.0125,
            "closer": 0.517,
            "closer_null_low": 0.46,
            "closer_null_high": 0.54,
            "closer_p_value": 0.217,
            "compared_records": 100,
            "median_to_members": 21.25,
            "compared_classes": 2,
            "c_t": -1.234,
            "c_t_worst": -2.345,
            "c_t_worst_class": 1,
            "c_t_worst_p_value": 0.019,
            "near": 0.0714,
            "near_expected": 0.0488,
            "near_p_value": 0.0004,
            "authentic": 0.72,
            "authentic_held_out": 0.75,
            "authentic_ratio": 0.96,
            "closest": [3.77, 4.5],
            "nearest_of_each": 4711,
        },
        roc={"student": tuple(np.array([0.0, middle, 1.0]) for middle in (0.1, 0.3, 0.2, 0.4))},
        energy=Energy({"teacher": 0.0025, "generator": 0.005}, measured=False, watts=100),
        synthetic_examples=(images, np.arange(12) % 3, np.eye(3)[(np.arange(12) // 2) % 3]),
        real_examples=(np.full((6, 8, 8, 1), MARK, np.uint8), np.arange(6) % 3),
        sheets={
            "classes": Sheet(("cat to $dog^{",), ("0%", "100%"), images[None, :2], alike=0),
            "spread": Sheet(NAMES[:1], ("0.8", "1"), np.full((1, 2, 8, 8, 1), ALIKE, np.uint8), alike=1),
            "latents": Sheet(NAMES[:1], ("0%", "100%"), np.full((1, 2, 8, 8, 1), ALIKE, np.uint8)),
        },
        nearest=Neighbours(
            images[:3],
            np.full((3, 8, 8, 1), COPY, np.uint8),
            np.full((3, 8, 8, 1), TWIN, np.uint8),
            np.array([0.3, 0.1, 0.2]),
            np.array([0.4, 0.5, 0.6]),
        ),
        exposed=[
            {"image": np.full((8, 8, 1), FACE, np.uint8), "record": "scan-0815", "group": "group-333", "risk": "0.93"},
        ],
    )


@pytest.fixture(scope="session")
def comparison() -> str:
    """A page of three runs, the last of which says next to nothing."""
    row = {
        "dataset": "blood",
        "preset": "quick",
        "verdict": "INCONCLUSIVE",
        "student_accuracy": (0.961, 0.954, 0.968),
        "baseline_accuracy": (0.970, 0.964, 0.976),
        "gap_points": (-0.91, -1.47, -0.37),
        "student_auc": (0.485, 0.462, 0.509),
        "teacher_auc": (0.491, 0.468, 0.514),
        "minutes": 22.1,
        "kwh": 0.0369,
        "bank.size": 30000,
    }
    other = row | {"name": "seed one", "seed": 1, "student_auc": (0.61, 0.59, 0.63), "verdict": "LEAKS"}
    return render_comparison([row | {"name": "a & b <i>", "seed": 0}, other, {"name": "bare"}])


@pytest.fixture(scope="session")
def shadows() -> PipelineAudit:
    """Eight pipelines of decision trees on 480 records with canaries of every kind."""
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 120, (480, 8, 8, 1)), np.arange(480) % 4
    images[np.arange(480), labels * 2] += 80
    plan = plan_for("standard", pipelines=8, canaries=CanaryCounts(90, 20, 10), views=2, synthetic=60, n_jobs=1, seed=SEED)
    return audit(Trees(), ImageSet(images.astype(np.uint8), labels), plan)


def with_owners(facts: dict[str, Any]) -> dict[str, Any]:
    """An audit's JSON with every part that only some audits have: patients, sets, bounds from one run."""
    patients = [row | {"population": "patient"} for row in facts["rows"] if row["population"] == "clean"]
    sets = [{"target": "student", "size": size, "share": size / 100, "low": 0.0, "high": 0.9} for size in (10, 20, 50)]
    bound = {"target": "teacher", "canaries": 90, "guesses": 30, "epsilon_low": 1.25, "epsilon_cap": 2.5}
    return facts | {"rows": [*facts["rows"], *patients], "sets": sets, "one_run": [bound]}


def unnamed(page: str) -> str:
    """The page without the names of columns that cells carry for narrow screens."""
    return re.sub(r' data-column="[^"]*"', "", page)


@pytest.fixture(scope="session")
def pages(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The four pages of this room by name."""
    folder, lock = between_workers(tmp_path_factory, "pages")
    kept = folder / "pages.json"
    with lock:
        if not kept.exists():
            kept.write_text(json.dumps(_pages(*map(request.getfixturevalue, ("evidence", "comparison", "shadows")))))
    return dict(json.loads(kept.read_text()))


def _pages(evidence: Evidence, comparison: str, shadows: PipelineAudit) -> dict[str, str]:
    return {
        "internal": render(evidence, internal=True),
        "shareable": render(evidence, internal=False),
        "comparison": comparison,
        "pipelines": render_pipeline_audit(with_owners(shadows.to_json())),
    }


@pytest.fixture(scope="session")
def pictures_in() -> Callable[[str], list[np.ndarray]]:
    """Every image of a page, decoded."""

    def decode(page: str) -> list[np.ndarray]:
        found = re.findall(r"data:image/png;base64,([A-Za-z0-9+/=]+)", page)
        return [np.asarray(Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB")) for text in found]

    return decode
