# SPDX-License-Identifier: Apache-2.0
"""What kernels are compiled for: an LLVM target, and the dot-product instructions that it has."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from gatewright.errors import DataError

TARGETS = {
    "aarch64": "llvm -mtriple=aarch64-linux-gnu -mattr=+neon",
    "armv7": "llvm -mtriple=armv7-linux-gnueabihf -mfloat-abi=hard -mattr=+neon",
}
"""Short names of targets that are not this machine."""


@dataclass(frozen=True)
class Processor:
    """A processor by its LLVM target, e.g. "llvm -mcpu=znver4"; "native" is this machine, others see `TARGETS`."""

    target: str = "native"

    @cached_property
    def description(self) -> dict[str, Any]:
        """The target as TVM wants it.

        Raises:
            DataError: the text is no LLVM target.
        """
        text = TARGETS.get(self.target, self.target)
        if text == "native":
            from tvm.target import codegen

            return {"kind": "llvm", "mcpu": str(codegen.llvm_get_system_cpu())}
        kind, *options = text.split()
        if kind != "llvm":
            raise DataError("target", f"{self.target!r}", f"llvm with options, native, {', '.join(TARGETS)}")
        found: dict[str, Any] = {"kind": kind}
        for option in options:
            key, _, value = option.lstrip("-").partition("=")
            found[key] = value.split(",") if key == "mattr" else value
        return found

    @cached_property
    def llvm(self) -> Any:
        """The TVM target."""
        import tvm

        try:
            return tvm.target.Target(self.description)
        except Exception as error:
            raise DataError("target", f"{self.target!r}: {error}", "options of an LLVM target") from None

    @cached_property
    def dots(self) -> bool:
        """Whether there are 512-bit integer dot products (AVX-512 VNNI)."""
        from tvm.target import codegen

        if "x86_64" not in str(self.description.get("mtriple", codegen.llvm_get_system_triple())):
            return False
        return bool(codegen.target_has_features(["avx512vnni", "avx512bw"], self.llvm))
