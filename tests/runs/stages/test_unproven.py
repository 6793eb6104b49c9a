"""What a run's settings say of its release: no finite epsilon, and which parts lack one."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from upcycle._presets import LEVELS
from upcycle._settings import resolve, with_settings
from upcycle.release import Budget
from upcycle.runs.folder import RunFolder
from upcycle.runs.stages import run_ledger
from upcycle.runs.stages._dossier import write_dossier

BASE = resolve("quick", config_file=None, overrides=["augment.flip=none"])
STRONG = {**LEVELS["privacy"]["strong"], "augment.flip": "auto", "tuning.strategy": "greedy", "border": "chosen"}


def test_the_ledger_of_a_run_names_every_choice_that_its_settings_make() -> None:
    plain = run_ledger(with_settings(BASE, {"generator.snapshots": 1, "release.synthetic_images": 0}))
    assert not any(word in " ".join(plain.unproven) for word in ("screen", "tuning", "cleaning", "border", "mirror", "copies"))
    found = " ".join(run_ledger(with_settings(BASE, {**STRONG, "support.share": 0.85})).unproven)
    for word in ("screen.folds", "screen.crossed", "tuning.strategy", "border", "support.share", "augment.flip", "copies"):
        assert word in found
    assert plain.to_json()["epsilon"] == {"image": None} and plain.said().startswith("No finite epsilon")


def test_a_dossier_lists_the_parts_without_a_guarantee(tmp_path: Path) -> None:
    bench = SimpleNamespace(folder=RunFolder(tmp_path), config=with_settings(BASE, STRONG))
    (tmp_path / "private").mkdir()
    page = write_dossier(bench, Budget(BASE.gate, 100), None).read_text()  # type: ignore[arg-type]
    assert "No finite epsilon, for an image or a patient." in page
    for part in run_ledger(bench.config).unproven:
        assert part.replace("'", "&#39;") in page
