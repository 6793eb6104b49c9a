"""How much better each snapshot knows its members than held-out records; nothing is drawn from those beyond the limit."""

import numpy as np

from upcycle._files import write_json
from upcycle.data import ImageSet
from upcycle.generators import denoising_gap, gap_limit
from upcycle.runs.stages._bench import GAPS, Bench, Facts


def gap_facts(bench: Bench, members: ImageSet, held_out: ImageSet, apart: np.ndarray | None) -> Facts:
    """The gap of every snapshot, left in gaps.json too, where there is a limit. What is held out is the validation split."""
    limit = gap_limit(bench.config.generator)
    if not limit or bench.networks.generator is not None:
        return {}
    generator = bench.generator().load(bench.folder.stage("generator"))
    sides = (members.images, members.labels), (held_out.images, held_out.labels)
    found = {s.images_seen: denoising_gap(generator, s, *sides, apart) for s in generator.snapshots()}
    rows = [{"images_seen": images, "gap": gap} for images, gap in found.items()]
    write_json(bench.folder.document("generator", GAPS), rows)
    told = ", ".join(f"{100 * gap:.1f} % after {images:,}" for images, gap in found.items())
    line = f"generator: its loss is lower on members than on held-out records by {told} images; the limit is {100 * limit:g} %"
    bench.display.note(line)
    bench.folder.log(line)
    return {"gaps": rows}
