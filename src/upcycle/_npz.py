"""What reading a file that says it is an .npz may raise."""

from __future__ import annotations

import lzma
import struct
import tokenize
import zipfile
import zlib
from typing import Final

DAMAGED: Final = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError),
    *(KeyError, ValueError, TypeError, NotImplementedError, RuntimeError, OverflowError),
    *(SyntaxError, tokenize.TokenError),  # NumPy parses the header's text as a literal
)
"""Raised by zipfile and NumPy on a damaged, encrypted or foreign file; around opening and decoding alone, never around work."""
