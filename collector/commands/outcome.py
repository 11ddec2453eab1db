"""How a command ends when it does not do what was asked."""

from __future__ import annotations

from typing import NoReturn

import typer


def refuse(message: str) -> NoReturn:
    """Exit 2: wrong use, or something the operator must remove first."""
    typer.echo(f"scenetrail: {message}", err=True)
    raise typer.Exit(2)


def fail(message: str) -> NoReturn:
    """Exit 1: tried and failed."""
    typer.echo(f"scenetrail: {message}", err=True)
    raise typer.Exit(1)
