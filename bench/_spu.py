# SPDX-License-Identifier: Apache-2.0
"""The SPU side of `secure_inference.py`: one party of two, SEMI2K on a 64-bit ring; runs in SPU's own environment.

RANK=0|1 python _spu.py NETWORK.npz BATCH REPEATS OUTPUT.json ADDRESS0 ADDRESS1
"""

import json
import os
import pickle
import sys
import time
from importlib.metadata import version
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import spu
import spu.utils.frontend
from _loopback import loopback_bytes
from spu import libspu

SERVER, CLIENT = 0, 1
WINDOW = ((1, 1, 2, 2), (1, 1, 2, 2), "VALID")


def main(path: str, batch: int, repeats: int, output: str, *addresses: str) -> None:
    rank = int(os.environ["RANK"])
    desc = libspu.link.Desc()
    for k, address in enumerate(addresses):
        desc.add_party(f"party{k}", address)
    link = libspu.link.create_brpc(desc, rank)
    config = libspu.RuntimeConfig(libspu.ProtocolKind.SEMI2K, libspu.FieldType.FM64)
    config.beaver_type = libspu.RuntimeConfig.BeaverType.TrustedFirstParty
    runtime, shares = spu.Runtime(link, config), spu.Io(2, config)
    file = np.load(path)
    layers, x = json.loads(str(file["layers"])), np.asarray(file["x"][:batch], np.float32)
    names = [k for k in file.files if k[0] in "wb"]
    arrays = [np.asarray(file[k], np.float32) for k in names]
    program = build(layers, names, arrays, x)

    def give(name: str, array: np.ndarray, owner: int) -> None:
        """The owner makes both shares and sends the other party one."""
        if rank == owner:
            made = shares.make_shares(array, libspu.Visibility.VIS_SECRET)
            link.send(1 - rank, pack(made[1 - rank]))
            runtime.set_var(name, made[rank])
        else:
            runtime.set_var(name, unpack(link.recv(owner)))

    for k, array in enumerate(arrays):
        give(f"in{k + 1}", array, SERVER)
    seconds, traffic, result = [], [], None
    for _ in range(repeats + 1):
        link.barrier()
        before, start = loopback_bytes(), time.perf_counter()
        give("in0", x, CLIENT)
        runtime.run(program)
        mine = runtime.get_var("out0")
        if rank == SERVER:
            link.send(CLIENT, pack(mine))
        else:
            result = shares.reconstruct([unpack(link.recv(SERVER)), mine])
        seconds.append(time.perf_counter() - start)
        link.barrier()
        traffic.append(loopback_bytes() - before)
    if rank == CLIENT:
        found = {"seconds": seconds[1:], "bytes": min(traffic[1:]), "result": result.tolist()}
        json.dump(found | {"version": version("spu")}, open(output, "w"))
    # One more, whose log says how often the program sends.
    config.enable_hal_profile = config.enable_pphlo_profile = True
    profiled = spu.Runtime(link, config)
    for name in program.input_names:
        profiled.set_var(name, runtime.get_var(name))
    profiled.run(program)


def pack(share: Any) -> bytes:
    return pickle.dumps((bytes(share.meta), [bytes(c) for c in share.share_chunks]))


def unpack(data: bytes) -> Any:
    """Of the other party of this benchmark, nobody else's."""
    share = libspu.Share()
    share.meta, share.share_chunks = pickle.loads(data)
    return share


def build(layers: list[dict[str, Any]], names: list[str], arrays: list[Any], x: Any) -> Any:
    """The compiled program: inputs in0 (x), in1 ... (weights), output out0."""

    def forward(x: Any, *weights: Any) -> Any:
        secret, k = dict(zip(names, weights, strict=True)), 0
        for layer in layers:
            match layer["op"]:
                case "linear":
                    x, k = x @ secret[f"w{k}"].T + secret[f"b{k}"], k + 1
                case "conv":
                    pad = [(layer["padding"],) * 2] * 2
                    x = jax.lax.conv_general_dilated(x, secret[f"w{k}"], (1, 1), pad)
                    x, k = x + secret[f"b{k}"].reshape(1, -1, 1, 1), k + 1
                case "relu":
                    x = jnp.maximum(x, 0)
                case "x2act":
                    x = 0.1 * (x * x) + x
                case "avg":
                    x = jax.lax.reduce_window(x, 0.0, jax.lax.add, *WINDOW) * 0.25
                case "max":
                    x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, *WINDOW)
                case "flatten":
                    x = x.reshape(x.shape[0], -1)
        return x

    arguments = (x, *arrays)
    inputs = [f"in{k}" for k in range(len(arguments))]
    secrecy = [libspu.Visibility.VIS_SECRET] * len(inputs)
    return spu.utils.frontend.compile(
        spu.utils.frontend.Kind.JAX,
        forward,
        arguments,
        {},
        inputs,
        secrecy,
        lambda flat: [f"out{k}" for k in range(len(flat))],
    )[0]


main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], *sys.argv[5:])
