"""Whether anybody answers at an address."""

import socket
from typing import Final

from upcycle.errors import ConfigError

_PATIENCE: Final = 5.0  # seconds; a scheduler that is there accepts a connection in far less


def reach(engine: str, host: str, port: int) -> None:
    """Both libraries wait for minutes where nobody answers."""
    try:
        socket.create_connection((host, port), timeout=_PATIENCE).close()
    except OSError as error:
        raise ConfigError(
            f"engine must be an address that answers. Got none at {engine} ({error}). "
            "Start the cluster, or see which address its scheduler printed."
        ) from error
