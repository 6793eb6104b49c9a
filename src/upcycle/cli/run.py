"""upcycle run"""

from typing import Any

import click

from upcycle.cli._options import run_options, run_until


@click.command()
@run_options
def run(**options: Any) -> None:
    """Make an audited student from private images.

    DATA is an .npz, a folder of PNG, JPEG, DICOM or NIfTI in class folders or with a labels.csv, a folder of IDX files, a saved
    Hugging Face data set or parquet, medmnist:NAME or hf:NAME; see docs/data.md. The same command resumes.
    """
    run_until("report", **options)
