# SPDX-License-Identifier: Apache-2.0
"""The `gatewright` command."""

from __future__ import annotations

import sys

import click

from gatewright.commands import commands
from gatewright.errors import GatewrightError

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="gatewright")
def cli() -> None:
    """From a trained PyTorch network to a verified FPGA accelerator.

    \b
    gatewright sim                     simulate every example and compare with PyTorch
    gatewright sim digits_mlp --waves  one example, with a waveform
    gatewright schedule digits_mlp     foldings for a board, and how far from the optimum they may be
    gatewright boards                  what boards there are
    """


for _command in commands():
    cli.add_command(_command)


def main() -> None:
    """Entry point: a user's error is one message, not a trace; Ctrl-C leaves no half-written file."""
    try:
        # What a command exits with is returned here, and not raised.
        sys.exit(cli(standalone_mode=False))
    except GatewrightError as error:
        click.secho(f"error: {error}", fg="red", err=True)
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.exceptions.Abort):
        click.secho("interrupted", fg="yellow", err=True)
        sys.exit(INTERRUPTED)
