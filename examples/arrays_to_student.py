"""From arrays to an audited student in Python, on scikit-learn's handwritten digits.

    python examples/arrays_to_student.py [RUN]

The settings are tiny, so that it ends in seconds; its student is a bad one. For a good one take preset "quick" and no settings.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from upcycle import Upcycler, load_student
from upcycle.runs import read_run

TINY = {"threads": 1, "generator.images": 2_000, "release.synthetic_images": 50, "augment.flip": "none", "audit.folds": 2}


def main(out: Path) -> None:
    # Images are uint8 (n, side, side) or (n, side, side, 3); labels are whole numbers from 0.
    digits = load_digits()
    images = np.round(digits.images * (255 / 16)).astype(np.uint8)
    labels = digits.target

    # Whoever wrote several digits is one "patient": all images of one stay on one side of every split. The digits come without
    # their writers, so these groups are invented.
    groups = np.arange(len(labels)) // 3

    # Keep some images away from everything, to try the student on at the end. upcycle makes its own splits from the rest.
    mine, kept = slice(0, 1_500), slice(1_500, None)
    model = Upcycler("smoke", settings=TINY, out=out).fit(images[mine], labels[mine], groups=groups[mine])

    print("on images it never met:", model.evaluate(images[kept], labels[kept]))
    drawn, asked = model.sample(20)
    print("synthetic images:", drawn.shape, drawn.dtype, "of classes", sorted(set(asked.tolist())))

    # The same facts that `upcycle show RUN` prints. Never quote the verdict without its sentence.
    facts = read_run(out)
    print("gap to the baseline, points:", facts.gap_points.text(2, sign=True) if facts.gap_points else "not measured")
    print(f"verdict: {facts.verdict}. {facts.sentence}")

    # What leaves the building is release/; the student in it opens without the run.
    student = load_student(out / "release" / "student")
    print("parameters of the released student:", sum(p.numel() for p in student.parameters()))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            main(Path(folder) / "run")
