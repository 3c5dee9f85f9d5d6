# SPDX-License-Identifier: Apache-2.0
"""Commands of the command line, one file each: every module here that defines `COMMAND` is found."""

import importlib
import pkgutil

import click


def commands() -> list[click.Command]:
    """Every command, sorted by name. Their modules import what they need only when they run."""
    names = sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))
    return [importlib.import_module(f"{__name__}.{name}").COMMAND for name in names]
