"""The paper's table: rows and gaps of study.json, from the finished runs of one or several `upcycle study` commands.

    upcycle study DATA [DATA ...] --seeds 3 --out STUDY
    python -m benchmarks.study STUDY [--commit HASH]

Runs that are not finished are left out; nothing is computed again.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

from benchmarks._results import MEASURED, RESULTS, write
from upcycle.errors import UpcycleError
from upcycle.runs._study import Row, row_of, summarise


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
    parser.add_argument("study", type=Path)
    parser.add_argument("--commit", default=MEASURED, help="of the code that made the runs")
    options = parser.parse_args()
    rows = [{**row, "commit": options.commit} for row in finished_rows(options.study / "runs")]
    gaps = [summary.__dict__ for summary in summarise(rows, options.study / "runs")]
    path = write("study.json", rows)
    document = {**json.loads(path.read_text(encoding="utf-8")), "gaps": gaps}
    (RESULTS / path.name).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(*gaps, sep="\n")


if __name__ == "__main__":
    main()
