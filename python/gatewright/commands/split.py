# SPDX-License-Identifier: Apache-2.0
"""`gatewright split`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.table import Table

    from gatewright.scheduler.offload import Plan
    from gatewright.scheduler.sites import Network
    from gatewright.scheduler.split import Split


@click.command("split")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--objective", type=click.Choice(["latency", "accuracy", "bytes"]), help="What is made best.")
@click.option("--accuracy", type=float, help="Least share of right labels.")
@click.option("--latency", type=float, metavar="SECONDS", help="Greatest mean latency.")
@click.option("--bytes", "size", type=float, help="Most bytes per sample over the first link, on average.")
@click.option("--front", "whole", is_flag=True, help="Every choice that none beats in latency and accuracy.")
@click.option("--json", "plain", is_flag=True, help="Print JSON instead of tables.")
def COMMAND(
    file: Path,
    objective: str | None,
    accuracy: float | None,
    latency: float | None,
    size: float | None,
    whole: bool,
    plain: bool,
) -> None:
    """Choose where a network is cut over device, edge and host, and the thresholds of its early exits.

    FILE holds a "network": sites, links, blocks with seconds per site, exits with what they said about calibration
    samples; optionally "objective" and "limits" (options replace both), and "offload": modes, channel and queue of a
    device that chooses slot by slot what to send. The choices are exact. See bench/split_mnist.json.

    \b
    gatewright split bench/split_mnist.json
    gatewright split bench/split_mnist.json --objective accuracy --latency 0.02
    gatewright split bench/split_mnist.json --accuracy 0.95 --bytes 300 --json
    gatewright split bench/split_mnist.json --front
    """
    import json

    from gatewright.console import console
    from gatewright.errors import DataError
    from gatewright.scheduler.offload import choose_offload
    from gatewright.scheduler.split import choose_split, front
    from gatewright.scheduler.split_json import (
        network_from_json,
        offload_from_json,
        plan_as_json,
        question_from_json,
        split_as_json,
    )

    try:
        data = json.loads(file.read_text())
    except ValueError as error:
        raise DataError(str(file), f"not JSON: {error}", 'an object with "network", "offload" or both') from None
    if not isinstance(data, dict) or not data.keys() & {"network", "offload"}:
        raise DataError(str(file), "nothing to choose", 'an object with "network", "offload" or both')
    given = {k: v for k, v in {"accuracy": accuracy, "latency": latency, "bytes": size}.items() if v is not None}
    asked = {"objective": objective or "latency", "limits": given} if objective or given else data
    found: dict[str, Any] = {}
    tables = []
    if "network" in data:
        network = network_from_json(data["network"])
        best, limits = question_from_json(asked)
        splits = front(network, limits) if whole else [choose_split(network, best, limits)]
        found["split"] = [split_as_json(s) for s in splits] if whole else split_as_json(splits[0])
        tables.append(_splits(network, splits))
    if "offload" in data:
        problem = dict(data["offload"])
        plan = choose_offload(
            offload_from_json({k: v for k, v in problem.items() if k != "limits"}), **_limits(problem)
        )
        found["offload"] = plan_as_json(plan)
        tables.append(_policy(plan))
    if plain:
        click.echo(json.dumps(found, indent=1))
        return
    for table in tables:
        console().print(table)


def _limits(problem: dict[str, Any]) -> dict[str, float]:
    from gatewright.errors import DataError

    limits = problem.get("limits", {})
    if set(limits) - {"delay", "accuracy"}:
        raise DataError("offload, limits", ", ".join(limits), "delay (seconds), accuracy")
    return {k: float(v) for k, v in limits.items()}


def _splits(network: Network, splits: list[Split]) -> Table:
    """One line per choice: where blocks run, where samples leave, and the means."""
    from rich.table import Table

    table = Table(title=f"Split over {', '.join(network.sites)}; {len(network.right)} calibration samples")
    for column in (*network.sites, "exit: threshold, share", "latency ms", "accuracy", "bytes"):
        numeric = column in ("latency ms", "accuracy", "bytes")
        table.add_column(column, justify="right" if numeric else "left")
    for split in splits:
        placed = split.placed(network)
        blocks = [", ".join(b for b, s in placed.items() if s == site) or "-" for site in network.sites]
        exits = [f"{e}: {t:.4g}, {split.shares[e]:.1%}" for e, t in split.thresholds.items()]
        exits.append(f"end: {split.shares['end']:.1%}")
        means = (f"{split.latency * 1e3:.4g}", f"{split.accuracy:.2%}", f"{split.bytes:.4g}")
        table.add_row(*blocks, "\n".join(exits), *means)
    return table


def _policy(plan: Plan) -> Table:
    """Modes by queue length and channel state; equal rows together."""
    from rich.table import Table

    means = f"{plan.joules * 1e3:.4g} mJ, {plan.delay * 1e3:.4g} ms, accuracy {plan.accuracy:.2%}"
    prices = (
        f"1 ms of delay is worth {plan.prices['delay']:.3g} mJ, 1 % of accuracy {plan.prices['accuracy'] * 10:.3g} mJ"
    )
    table = Table(title=f"Offloading, per task: {means}, {plan.dropped:.2%} dropped", caption=prices)
    table.add_column("queue", justify="right")
    for channel in range(len(plan.policy)):
        table.add_column(f"channel state {channel}")
    rows = [[_chances(states[queue]) for states in plan.policy] for queue in range(len(plan.policy[0]))]
    start = 0
    for queue, row in enumerate(rows):
        if queue + 1 == len(rows) or rows[queue + 1] != row:
            table.add_row(f"{start}" if start == queue else f"{start} to {queue}", *row)
            start = queue + 1
    return table


def _chances(row: dict[str, float]) -> str:
    return next(iter(row)) if len(row) == 1 else ", ".join(f"{mode} {chance:.1%}" for mode, chance in row.items())
