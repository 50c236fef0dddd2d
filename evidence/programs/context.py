"""Hold a CUDA context, and perhaps some memory, until stdin closes.

    python context.py bare|torch|cublas|jax|cupy [MIB]

Says one JSON line when it holds it. The context of `cublas` is torch's after a matrix product in 16
and in 32 bits.
"""

import json
import sys

from campaign.libraries import demand, jax_on_card

NEEDS = {"torch": ["torch"], "cublas": ["torch"], "cupy": ["cupy"]}


def bare(mib):
    from campaign.cuda import Cuda

    cuda = Cuda()
    address = cuda.allocate(mib << 20) if mib else None
    return {"cuda": cuda.version()}, (cuda, address)


def torch(mib):
    import torch

    held = torch.zeros(max(mib << 20, 1), dtype=torch.uint8, device="cuda")
    torch.cuda.synchronize()
    return {"allocated_mib": torch.cuda.memory_reserved() >> 20}, held


def cublas(mib):
    import torch

    said, held = globals()["torch"](mib)
    for dtype in (torch.float16, torch.float32):
        square = torch.ones(512, 512, dtype=dtype, device="cuda")
        square @ square
    torch.cuda.synchronize()
    return said | {"allocated_mib": torch.cuda.memory_reserved() >> 20}, held


def jax(mib):
    held = jax_on_card().numpy.zeros(max(mib << 20, 1), dtype="uint8").block_until_ready()
    return {}, held


def cupy(mib):
    import cupy

    held = cupy.zeros(max(mib << 20, 1), dtype="uint8")
    cupy.cuda.Device().synchronize()
    return {}, held


def main(kind, mib="0"):
    demand(*NEEDS.get(kind, ()))
    said, held = globals()[kind](int(mib))
    print(json.dumps({"kind": kind, "mib": int(mib), **said}), flush=True)
    sys.stdin.read()
    del held


if __name__ == "__main__":
    main(*sys.argv[1:])
