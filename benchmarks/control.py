"""What the positive control of an audit knows and what the audit finds of it, set by set: rows of control.json.

    python -m benchmarks.control digits breastmnist.npz pneumoniamnist_reassembled.npz fashion_12k.npz pbc_blood_28.npz

Of every shadow pipeline only the control is trained, on the same secret half and canaries as in an audit of that many pipelines,
with the network and budget that it has there.
"""

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._results import MEASURED, write
from benchmarks.audit_run import SEED, prepared
from upcycle.audit import plan_for
from upcycle.audit.attacks import EXCESS, LOSS, Answered, Audited
from upcycle.audit.pipelines import Design, make_design
from upcycle.audit.statistics import Rate, Scores, auc_interval, tpr_at_common_fpr, tpr_at_fpr
from upcycle.data import ImageSet
from upcycle.recycle import images_to_remember
from upcycle.runs.shadows import Given, ShadowPipeline, as_predict
from upcycle.runs.stages import control_stage


def answers(pipeline: ShadowPipeline, design: Design, run: int) -> tuple[np.ndarray, float]:
    """Logits float32 (records, classes) of the control of one pipeline, and the seconds that its training took."""
    images, labels = design.records.given(design.members[run])
    members, start = ImageSet(images, labels.astype(np.int64)), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="control-") as folder:
        bench = pipeline.bench(members, run, Path(folder))
        control_stage(bench, Given(members, pipeline.validation), images_to_remember(len(members)))
        seconds = time.monotonic() - start
        return as_predict(bench.classifier("control"))(design.records.images), seconds


def row(data: str, pipelines: int) -> dict[str, Any]:
    """One set: the share of members and of planted wrong labels that the control knows, and what attacks find of these."""
    dataset, pipeline = prepared(data)
    design = make_design(dataset.train, replace(plan_for("standard", seed=SEED), pipelines=pipelines))
    made = [answers(pipeline, design, run) for run in range(pipelines)]
    logits, planted = np.stack([found for found, _ in made]), design.records.kind == "mislabelled"
    right = logits.argmax(2) == design.records.labels
    return {
        **{"dataset": dataset.name, "pipelines": pipelines, "commit": MEASURED, "records": len(design.units)},
        **{"members": int(design.members[0].sum()), "planted": int(planted.sum())},
        **{"seconds_of_one": round(float(np.median([seconds for _, seconds in made])), 1)},
        **{"members_known": share(right, design.members), "wrong_labels_known": share(right, design.members & planted)},
        "wrong_labels_known_unseen": share(right, ~design.members & planted),
        "attacks": {
            attack.card.name: found(attack.score(answered(logits, design)), design, planted) for attack in (LOSS, EXCESS)
        },
    }


def answered(logits: np.ndarray, design: Design) -> Answered:
    records = design.records
    audited = Audited(records.images, records.labels, logits.shape[2], design.members, design.units, SEED)
    return Answered(logits[:, :, None], audited)


def share(right: np.ndarray, chosen: np.ndarray) -> float:
    return round(float(right[chosen].mean()), 4)


def found(scores: np.ndarray, design: Design, planted: np.ndarray) -> dict[str, list[float] | None]:
    """[value, lower limit, upper limit] of AUC and TPR at 1 % false positives, among planted ones and by one threshold for all;
    None where the records are too few to tell."""
    own = Scores.pooled(scores, design.members, design.units, planted)
    everyone = Scores.pooled(scores, design.members, design.units, np.ones(len(planted), bool))
    rates = {
        "auc": auc_interval(own),
        "tpr_at_1pct": tpr_at_fpr(own, 0.01),
        "tpr_by_one_threshold": tpr_at_common_fpr(own, everyone, 0.01),
    }
    return {
        name: [round(value, 4) for value in (r.value, r.low, r.high)] if isinstance(r, Rate) else None
        for name, r in rates.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+")
    parser.add_argument("--pipelines", type=int, default=8)
    given = parser.parse_args()
    for data in given.data:
        print(made := row(data, given.pipelines), flush=True)
        write("control.json", [made], same=("dataset", "pipelines"))


if __name__ == "__main__":
    main()
