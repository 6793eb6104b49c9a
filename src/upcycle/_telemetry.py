"""Libraries that report their use to their makers are told not to, before any of them is imported."""

import os
from typing import Final

SILENCED: Final = {
    "ORT_DISABLE_TELEMETRY": "1",  # onnxruntime keeps a device id and sends events as soon as it is imported and used
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "RAY_USAGE_STATS_ENABLED": "0",
    "NO_ALBUMENTATIONS_UPDATE": "1",  # asks a server for newer versions at import
    "DO_NOT_TRACK": "1",  # what others agreed on
}


def silence() -> None:
    """Set the variables of `SILENCED`, also for child processes."""
    os.environ.update(SILENCED)
