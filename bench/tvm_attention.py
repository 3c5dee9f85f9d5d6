# SPDX-License-Identifier: Apache-2.0
"""Top-30 attention and MiniLM by TVM's kernels on this processor, beside PyTorch and ONNX Runtime, in one run.

`--repeats 3` is quicker and noisier; `--attention` leaves out the whole encoder.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import torch
from _cpu_encoder import batches, rate, runtimes
from _table import markdown, versions, write
from onnx import TensorProto, helper, numpy_helper

from gatewright.examples._texts import SETS, minilm
from gatewright.examples.minilm import CALIBRATION, EXAMPLE, MOST, mean_cosine
from gatewright.fixed import Fixed
from gatewright.frontend import Imported, QuantConfig, import_model
from gatewright.graph import Graph, Length, Node, TensorType
from gatewright.lower.tvm.compiled import Compiled
from gatewright.nn import calibrate_selector
from gatewright.ops.top_k_attention import LEVELS, TopKAttention

LENGTHS = (128, 512, 2048)
HEADS, WIDTH, TOP, SELECTOR = 12, 384, 30, 4
"""MiniLM's attention, and the example's choice of keys."""
COUNT, BATCH, CHECKED = 128, 16, 16
"""Sentences per run, per batch of the other runtimes, and compared with the float model."""
DIM = WIDTH // HEADS

Call = Callable[[], object]


def attention(n: int, bits: int, top: int) -> Graph:
    """Attention on normal queries, keys and values of `bits` bits."""
    form = Fixed(bits, bits - 3)
    kind = TensorType(Length("n", n), WIDTH, form)
    limits = np.linspace(0.2, 2.2, LEVELS[SELECTOR])
    op = TopKAttention.of(
        [kind] * 3,
        Fixed(bits, bits - 2),
        heads=HEADS,
        top=top,
        bits=SELECTOR,
        q_thresholds=limits,
        k_thresholds=limits,
    )
    return Graph(dict.fromkeys("qkv", kind), (Node("y", op, tuple("qkv")),), ("y",), "attention")


def ours(n: int, bits: int, top: int, real: np.ndarray) -> Call:
    """TVM's kernels on [3, n, WIDTH] values, after a comparison with golden."""
    graph = attention(n, bits, top)
    network = Compiled.of(graph)
    sequences = [graph.inputs[name].fixed.quantize(x) for name, x in zip("qkv", real, strict=True)]
    assert np.array_equal(network.run(*sequences)[0], graph.evaluate(*sequences)[0])
    arguments = network.network.arguments(*sequences)
    return lambda: network.network.raw(arguments)


def by_torch(real: np.ndarray) -> Call:
    """Fused dense attention."""
    q, k, v = (torch.from_numpy(x).float().unflatten(-1, (HEADS, DIM)).transpose(0, 1)[None] for x in real)

    def run() -> object:
        with torch.inference_mode():
            return torch.nn.functional.scaled_dot_product_attention(q, k, v)

    return run


def by_onnx(real: np.ndarray, fused: bool) -> Call:
    """Dense attention as ONNX Runtime's own fused operator, or as products and softmax."""
    n = real.shape[1]
    constants = []
    if fused:
        nodes = [helper.make_node("MultiHeadAttention", list("qkv"), ["y"], domain="com.microsoft", num_heads=HEADS)]
        shape, feed = [1, n, WIDTH], [x[None] for x in real]
    else:
        constants = [numpy_helper.from_array(np.float32(DIM**-0.5), "scale")]
        nodes = [
            helper.make_node("Transpose", ["k"], ["kt"], perm=[0, 2, 1]),
            helper.make_node("Mul", ["q", "scale"], ["qs"]),
            helper.make_node("MatMul", ["qs", "kt"], ["s"]),
            helper.make_node("Softmax", ["s"], ["p"], axis=-1),
            helper.make_node("MatMul", ["p", "v"], ["y"]),
        ]
        shape, feed = [HEADS, n, DIM], [x.reshape(n, HEADS, DIM).transpose(1, 0, 2) for x in real]
    ends = [helper.make_tensor_value_info(v, TensorProto.FLOAT, shape) for v in "qkvy"]
    graph = helper.make_graph(nodes, "attention", ends[:3], ends[3:], constants)
    sets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=sets, ir_version=10)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    fed = {v: np.ascontiguousarray(x, np.float32) for v, x in zip("qkv", feed, strict=True)}
    return lambda: session.run(None, fed)


def fastest(calls: Mapping[str, Call], repeats: int) -> dict[str, float]:
    """Least milliseconds of each; taken in turns, so that other work on the machine hits all alike."""
    found = dict.fromkeys(calls, np.inf)
    for turn in range(repeats + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if turn:
                found[name] = min(found[name], 1e3 * (time.perf_counter() - start))
    return found


def attention_rows(repeats: int) -> list[dict[str, Any]]:
    """One row per way to compute, one column per length."""
    rng, rows = np.random.default_rng(0), {}
    for n in LENGTHS:
        real = rng.normal(size=(3, n, WIDTH))
        calls = {f"TVM, top-{TOP}, {bits} bits": ours(n, bits, TOP, real) for bits in (8, 10)}
        calls |= {
            "TVM, all keys, 8 bits": ours(n, 8, n, real),
            "PyTorch SDPA, fp32": by_torch(real),
            "ONNX Runtime MultiHeadAttention, fp32": by_onnx(real, fused=True),
            "ONNX Runtime MatMul, Softmax, MatMul, fp32": by_onnx(real, fused=False),
        }
        for name, milliseconds in fastest(calls, repeats).items():
            rows.setdefault(name, {"attention": name})[f"n = {n}"] = milliseconds
            print(f"n = {n}: {name} {milliseconds:.3f} ms", flush=True)
    return list(rows.values())


def verdict(rows: Sequence[Mapping[str, Any]]) -> str:
    """Where top-30 wins and loses, in numbers."""
    own, others = [r for r in rows if "top-" in r["attention"]], [r for r in rows if "fp32" in r["attention"]]
    parts = []
    for n in LENGTHS:
        mine, best = (min(group, key=lambda r: r[f"n = {n}"]) for group in (own, others))
        ratio = best[f"n = {n}"] / mine[f"n = {n}"]
        said = f"{ratio:.1f} times as fast as" if ratio >= 1 else f"{1 / ratio:.1f} times slower than"
        parts.append(f"at n = {n} it is {said} the fastest dense one ({best['attention']})")
    return f"The faster top-{TOP}: " + "; ".join(parts) + "."


def encoder(bits: int) -> Imported:
    """MiniLM with top-30 attention, activations of `bits` bits and weights of 8."""
    model = minilm(EXAMPLE.top, EXAMPLE.bits).eval()
    seen = SETS["movie"]().train[:CALIBRATION]
    calibrate_selector(model, model.batches(seen))
    return import_model(
        model,
        torch.tensor([seen[0]]),
        [np.asarray(i, np.int64) for i in seen],
        config=QuantConfig.transformer(bits=bits),
        dynamic={"n": (1, MOST)},
        name="minilm",
    )


def encoder_rows(repeats: int) -> list[dict[str, Any]]:
    """Sentences per second, and how near the vectors are to the float model's."""
    items = SETS["movie"]().test[:COUNT]
    dense = minilm(top=None).eval()
    with torch.no_grad():
        real = [dense(torch.tensor(i)[None])[0].numpy() for i in items[:CHECKED]]
    rows: list[dict[str, Any]] = []
    for bits in (8, 10):
        network = Compiled.of((imported := encoder(bits)).graph, imported=imported)
        ids = [np.asarray(i, np.int64) for i in items]
        found = network(ids[:CHECKED])
        assert np.array_equal(found, imported.run(ids[:CHECKED]))
        sent = [network.network.arguments(i[:, None]) for i in ids]
        best = fastest({"all": lambda sent=sent, network=network: [network.network.raw(a) for a in sent]}, repeats)
        per = COUNT / best["all"] * 1e3
        name = f"TVM, top-{TOP}, 8-bit weights, {bits}-bit activations"
        rows.append({"runtime": name, "batch 1": per, f"batch {BATCH}": per, "cosine": mean_cosine(list(found), real)})
        print(rows[-1], flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for name, run in runtimes(dense, Path(folder)).items():
            # A batch of one: a tensor [1, D], or a list of one array [1, D].
            vectors = [np.asarray(run(*pair)[0]).reshape(-1) for pair in batches(items[:CHECKED], 1)]  # type: ignore[index]
            order = sorted(range(CHECKED), key=lambda k: len(items[k]))
            row: dict[str, Any] = {"runtime": f"{name}, dense"}
            row |= {f"batch {size}": rate(run, batches(items, size), repeats) for size in (1, BATCH)}
            row["cosine"] = mean_cosine(vectors, [real[k] for k in order])
            rows.append(row)
            print(row, flush=True)
    return rows


def ratios(rows: Sequence[Mapping[str, Any]]) -> str:
    """TVM against ONNX Runtime's int8."""
    (other,) = (r for r in rows if "int8" in r["runtime"])
    parts = []
    for row in rows:
        if row["runtime"].startswith("TVM"):
            each = [f"{row[c] / other[c]:.2f} at {c}" for c in ("batch 1", f"batch {BATCH}")]
            parts.append(f"{row['runtime']}: {' and '.join(each)}")
    return "Rate over that of ONNX Runtime int8: " + "; ".join(parts) + "."


def shown(rows: Sequence[Mapping[str, Any]], digits: Mapping[str, int]) -> list[dict[str, Any]]:
    """Numbers with as many digits as their column has, 2 by default."""
    return [{k: v if isinstance(v, str) else f"{v:,.{digits.get(k, 2)}f}" for k, v in row.items()} for row in rows]


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--attention", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(os.cpu_count() or 1)
    rows = attention_rows(options.repeats)
    parts = [
        "# Attention over the 30 best keys, and MiniLM, on a processor",
        f"`python bench/tvm_attention.py` with {versions('gatewright', 'apache-tvm', 'torch', 'onnxruntime')}; "
        f"{platform.machine()}, {os.cpu_count()} cores, all of them used by everyone. Best of {options.repeats}, "
        "in turns; load average at the end "
        f"{os.getloadavg()[0]:.1f}.",
        f"Milliseconds of one layer's attention: {HEADS} heads of {DIM} channels, normal inputs. TVM's kernels "
        f"give golden's integers (checked in this run): {SELECTOR}-bit codes choose {TOP} keys per query, the rest is "
        "exact. The dense ones compute all keys in float.",
        markdown(shown(rows, {})),
        verdict(rows),
    ]
    if not options.attention:
        found = encoder_rows(max(1, options.repeats // 5))
        parts += [
            f"MiniLM-L6: {COUNT} movie snippets, sentences per second. TVM takes one sentence after the other at its "
            "own length, so its rate has no batch; the others pad to the longest of a batch. Cosine: mean over "
            f"{CHECKED} sentences to the dense float model, before any tuning.",
            markdown(shown(found, {"batch 1": 0, f"batch {BATCH}": 0, "cosine": 4})),
            ratios(found),
        ]
    write("tvm_attention", *parts)


if __name__ == "__main__":
    main()
