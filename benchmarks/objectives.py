"""Student and baseline where classes are uneven: rows of objectives.json, a run per set, objective and seed.

    python -m benchmarks.subset fashion-mnist/ fashion_rare.npz --train 12000 --rare 80 2 6
    python -m benchmarks.objectives --work DIR breastmnist.npz fashion_rare.npz --objectives balanced --seeds 3 --minutes 6

The baseline has the objective, network and images of the student, and learns from real images; with `balanced` by logit
adjustment, the best known remedy for rare classes (Menon et al. 2021). Runs under --work are resumed.
"""

import argparse
from pathlib import Path
from typing import Any

from benchmarks._results import MEASURED, write
from upcycle._settings import resolve
from upcycle.config import Config
from upcycle.runs import Row, read_run, row_of, run

_FIGURES = ("balanced_accuracy", "auroc")


def measured(data: str, work: Path, config: Config) -> dict[str, Any]:
    """The row of one run."""
    folder = work / f"{Path(data).stem}-{config.objective}-{config.seed}"
    run(data, folder, config)
    found, of_classes = row_of(folder, Path(data).stem), read_run(folder).by_class
    assert of_classes is not None, "a finished run looks at its classes"
    return {
        **{"dataset": Path(data).stem, "objective": config.objective, "seed": config.seed, "minutes": config.minutes},
        **{name: _of(found, name) for name in ("student", "baseline")},
        **{"gap_points": found["gap_points"], "gap_interval": found["gap_interval"], "gaps": found["gaps"]},
        **{"worst_class": of_classes.worst_class, "never_answered": of_classes.never_answered},
        **{"minutes_taken": found["minutes"], "commit": MEASURED},
    }


def _of(found: Row, name: str) -> dict[str, float]:
    return {"accuracy": found[f"{name}_accuracy"], **{figure: found["figures"][name][figure] for figure in _FIGURES}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--objectives", nargs="+", default=["balanced"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--minutes", type=float, help="of every run; the default is as long as the preset takes")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="NAME=VALUE")
    given = parser.parse_args()
    for seed in range(given.seeds):
        for data in given.data:
            for objective in given.objectives:
                said = [*given.overrides, f"objective={objective}", "evidence=none", "threads=1"]
                config = resolve("quick", config_file=None, overrides=said, seed=seed, minutes=given.minutes)
                row = measured(data, given.work, config)
                write("objectives.json", [row], same=("dataset", "objective", "seed", "minutes"))
                print(
                    row["dataset"],
                    objective,
                    seed,
                    *(f"{row[name]['balanced_accuracy']:.3f}" for name in ("student", "baseline")),
                )


if __name__ == "__main__":
    main()
