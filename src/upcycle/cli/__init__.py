"""The command line. Commands live in one file each and are imported when they are called, so that --help is instant."""

from upcycle.cli._group import cli, main
