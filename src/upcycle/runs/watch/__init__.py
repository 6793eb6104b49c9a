"""Watching a run: the display in a terminal, thumbnails, TensorBoard."""

from upcycle.runs.watch._display import Display, PlainDisplay, SilentDisplay, make_display
from upcycle.runs.watch._tensorboard import TensorBoardDisplay
from upcycle.runs.watch._thumbnails import can_show, first_of_each_class, thumbnail_rows
