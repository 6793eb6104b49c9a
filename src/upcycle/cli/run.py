"""upcycle run"""

from __future__ import annotations

from typing import Any

import click

from upcycle.cli._options import run_options, run_until


@click.command()
@run_options
def run(**options: Any) -> None:
    """From private images to an audited student.

    DATA is an .npz with MedMNIST keys, an .npz with images and labels, a folder of class folders of PNG or JPEG, or a folder of
    IDX files. The same command resumes.
    """
    run_until("report", **options)
