# SPDX-License-Identifier: Apache-2.0
"""The CrypTen side of `secure_inference.py`: one party of two; runs in CrypTen's own environment.

RANK=0|1 WORLD_SIZE=2 RENDEZVOUS=tcp://... python _crypten.py NETWORK.npz BATCH REPEATS OUTPUT.json
"""

import json
import sys
import time

import numpy as np
import torch
import torch.onnx
import torch.onnx.utils

# CrypTen 0.4.1 looks for two names where newer torch no longer has them.
try:
    import torch.onnx._internal.registration
except ImportError:
    from torch.onnx._internal.torchscript_exporter import registration

    sys.modules["torch.onnx._internal.registration"] = registration
if not hasattr(torch.onnx, "OperatorExportTypes"):
    import torch._C._onnx as _onnx

    torch.onnx.OperatorExportTypes = _onnx.OperatorExportTypes

import crypten
import crypten.communicator as comm
from _loopback import loopback_bytes

SERVER, CLIENT = 0, 1


def main(path: str, batch: int, repeats: int, output: str) -> None:
    torch.set_num_threads(1)
    crypten.config.cfg.mpc.provider = "TFP"
    crypten.config.cfg.communicator.verbose = True
    crypten.init()
    file = np.load(path)
    layers, x = json.loads(str(file["layers"])), torch.from_numpy(file["x"][:batch]).float()
    secret = {k: crypten.cryptensor(torch.from_numpy(file[k]).float(), src=SERVER) for k in file.files if k[0] in "wb"}
    seconds, traffic, result = [], [], None
    for _ in range(repeats + 1):
        comm.get().barrier()
        comm.get().reset_communication_stats()
        before, start = loopback_bytes(), time.perf_counter()
        result = forward(layers, secret, crypten.cryptensor(x, src=CLIENT)).get_plain_text(dst=CLIENT)
        seconds.append(time.perf_counter() - start)
        rounds = comm.get().get_communication_stats()["rounds"]
        comm.get().barrier()
        traffic.append(loopback_bytes() - before)
    if comm.get().get_rank() == CLIENT:
        found = {"seconds": seconds[1:], "bytes": min(traffic[1:]), "rounds": rounds, "result": result.tolist()}
        json.dump(found | {"version": crypten.__version__}, open(output, "w"))


def forward(layers: list[dict[str, object]], secret: dict[str, object], x: object) -> object:
    k = 0
    for layer in layers:
        match layer["op"]:
            case "linear":
                x, k = x.matmul(secret[f"w{k}"].t()) + secret[f"b{k}"], k + 1
            case "conv":
                x = x.conv2d(secret[f"w{k}"], padding=layer["padding"])
                x, k = x + secret[f"b{k}"].reshape(1, -1, 1, 1), k + 1
            case "relu":
                x = x.relu()
            case "x2act":
                x = x.square() * 0.1 + x
            case "avg":
                x = x.avg_pool2d(2)
            case "max":
                x = x.max_pool2d(2)
            case "flatten":
                x = x.flatten(1)
    return x


main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
