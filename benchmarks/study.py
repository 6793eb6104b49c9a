"""The paper's table: rows and gaps of study.json, from the finished runs of one or several `upcycle study` commands.

    upcycle study DATA [DATA ...] --seeds 3 --out STUDY
    python -m benchmarks.study STUDY [STUDY ...] [--commit HASH]

Runs that are not finished are left out; rows of other sets and seeds that are there already are kept.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

from benchmarks._results import MEASURED, write
from upcycle.errors import UpcycleError
from upcycle.runs import Row, row_of, summarise


def finished_rows(runs: Path) -> list[Row]:
    """A row per finished run folder NAME-SEED, sets in order of their name."""
    rows = []
    for folder in sorted(runs.iterdir()):
        named = re.fullmatch(r"(.+)-(\d+)", folder.name)
        try:
            rows += [row_of(folder, named[1])] if named else []
        except UpcycleError as problem:
            print(f"left out: {problem}")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("studies", type=Path, nargs="+")
    parser.add_argument("--commit", default=MEASURED, help="of the code that made the runs")
    options = parser.parse_args()
    fresh = [{**row, "commit": options.commit} for study in options.studies for row in finished_rows(study / "runs")]
    path = write("study.json", fresh, same=("dataset", "seed"))
    document = json.loads(path.read_text(encoding="utf-8"))
    rows = sorted(document["rows"], key=lambda row: (row["dataset"], row["seed"]))
    gaps = [summary.__dict__ for summary in summarise(rows)]
    path.write_text(json.dumps({**document, "rows": rows, "gaps": gaps}, indent=1) + "\n", encoding="utf-8")
    print(*gaps, sep="\n")


if __name__ == "__main__":
    main()
