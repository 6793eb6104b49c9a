"""Below how many private records, or owners of records, a figure would speak of single ones."""

from typing import Final

SMALL_CELL: Final = 10  # counts and averages over fewer are not shown outside
