"""upcycle run"""

from __future__ import annotations

from typing import Any

import click

from upcycle.cli._options import run_options, run_until


@click.command()
@run_options
@click.option(
    "--evidence",
    type=click.Choice(["auto", "none", "quick", "standard", "full"]),
    help="Shadow pipelines with canaries before the release: 1 (quick), 32 or 64; auto: as many as take at most as long as the "
    "training took.  [default: auto]",
)
def run(**options: Any) -> None:
    """Make an audited student from private images.

    DATA is an .npz, a folder of PNG, JPEG, DICOM or NIfTI in class folders or with a labels.csv, a folder of IDX files, a saved
    Hugging Face data set or parquet, medmnist:NAME or hf:NAME; see docs/data.md. The same command resumes.
    """
    run_until("report", **options)
