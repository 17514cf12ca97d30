"""The command ``sdjscc``. Each subcommand is a module, imported when it is called: most need no torch."""

from __future__ import annotations

import os
import sys
from importlib import import_module

import click

from sdjscc import __version__
from sdjscc.errors import SdjsccError

__all__ = ["main"]

_COMMANDS = {
    "send": ("sdjscc.cli.send", "Send images over a running link."),
    "conditions": ("sdjscc.cli.conditions", "Read or set a channel's SNR."),
    "codecs": ("sdjscc.cli.codecs", "List what is installed, with measured figures."),
    "engines": ("sdjscc.cli.engines", "Check what runs the networks; write the ranges that int8 needs."),
    "evaluate": ("sdjscc.cli.evaluate", "Measure a codec on a folder of labelled images."),
    "semantic-weights": ("sdjscc.cli.semantic_weights", "Compute and show the semantic weights (GSW) of a task."),
    "semantic-agreement": ("sdjscc.cli.semantic_agreement", "How well the semantic loss ranks damage to a task."),
    "train": ("sdjscc.cli.train", "Train a codec."),
    "train-head": ("sdjscc.cli.train_head", "Train the STL-10 classifier's head."),
    "study": ("sdjscc.cli.study", "Run the experiments: tables and plots."),
    "dev-ca": ("sdjscc.cli.dev_ca", "Make an authority and certificates for development."),
    "publish": ("sdjscc.cli.publish", "Make weights and a model card of a training run."),
}

# Which extra brings a module that is missing; those not named come with `codec`.
_EXTRAS = {
    "accelerate": "train",
    "tensorboard": "train",
    "torchmetrics": "train",
    "matplotlib": "plot",
    "cryptography": "tls-dev",
}


class _LazyGroup(click.Group):
    """Lists its commands without importing them, so that help is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(_COMMANDS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.group(cls=_LazyGroup)
@click.version_option(__version__)
def _sdjscc() -> None:
    """SD-JSCC link: semantic image transmission."""


def main() -> None:
    """Entry point; mistakes end in one sentence and status 1."""
    # The core would add lines of its own to the sentence.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    try:
        _sdjscc.main(standalone_mode=True)
    except SdjsccError as error:
        _fail(str(error))
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("sdjscc"):
            raise
        extra = _EXTRAS.get(error.name or "", "codec")
        _fail(f"this command needs {error.name}; run: pip install 'sdjscc[{extra}]'")


def _fail(sentence: str) -> None:
    click.echo(f"error: {sentence}", err=True)
    sys.exit(1)
