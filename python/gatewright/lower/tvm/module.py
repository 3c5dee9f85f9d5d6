# SPDX-License-Identifier: Apache-2.0
"""Kernel calls as a Relax module, compiled by LLVM. The token count stays symbolic: one code for all lengths."""

from __future__ import annotations

from typing import Any

from gatewright.lower.tvm.loader import ENTRY
from gatewright.lower.tvm.program import Program


def relax_module(program: Program) -> Any:
    """The Relax module of a program; equal kernels become one function."""
    from tvm import relax, tirx

    from gatewright.lower.tvm.tir import relative

    count = tirx.Var("n", "int64")

    def kind(name: str) -> Any:
        value = program.values[name]
        return relax.TensorType([relative(program.base, count, value.tokens), *value.row], value.dtype)

    build = relax.BlockBuilder()
    found = {name: relax.Var(name, kind(name)) for name in program.inputs}
    with build.function(ENTRY, list(found.values())):
        with build.dataflow():
            for step in program.steps:
                called = build.add_func(step.function, step.function.attrs["global_symbol"])
                arguments = [found[i] for i in step.inputs]
                arguments += [
                    relax.const(program.constants[c], str(program.constants[c].dtype)) for c in step.constants
                ]
                found[step.output] = build.emit(relax.call_tir(called, arguments, kind(step.output)))
            result = build.emit_output(relax.Tuple([found[o] for o in program.outputs]))
        build.emit_func_output(result)
    return build.get()


def _lowering() -> Any:
    """TVM's own passes but those that look for operators to fuse: kernels are loops, not schedulable blocks."""
    import tvm
    from tvm.relax import transform

    return tvm.transform.Sequential(
        [
            transform.ToNonDataflow(),
            transform.RemovePurityChecking(),
            transform.CallTIRRewrite(),
            transform.StaticPlanBlockMemory(),
            transform.LowerAllocTensor(),
            transform.KillAfterLastUse(),
            transform.LowerRuntimeBuiltin(),
            transform.ComputePrimValue(),
            transform.VMShapeLower(),
            transform.AttachGlobalSymbol(),
        ]
    )


def compiled(program: Program) -> Any:
    """The program compiled for the processor that it was made for: a Relax executable."""
    from tvm import relax

    return relax.build(relax_module(program), program.processor.llvm, relax_pipeline=_lowering())
