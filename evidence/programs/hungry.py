"""Take GPU memory until it is refused, or end badly in another way: `python hungry.py HOW [MIB]`.

Pieces of MIB are taken until one is refused; then a JSON line says how much was held, and the
error goes its own way.
"""

import os
import signal
import sys

from campaign.libraries import demand, jax_on_card

ON_TORCH = ("torch", "cublas", "bad-device", "bad-index", "no-card")
NEEDS = {"cupy": ["cupy"]} | {how: ["torch"] for how in ON_TORCH}
HELD = []


def until_refused(take, mib):
    try:
        while True:
            HELD.append(take(mib << 20))
    except BaseException:
        print(f'{{"reached_mib": {len(HELD) * mib}}}', flush=True)
        raise


def torch(mib):
    import torch

    until_refused(lambda size: torch.empty(size, dtype=torch.uint8, device="cuda"), mib)


def cublas(mib):
    """cuBLAS asks for its own workspace when torch has left nothing."""
    import torch

    square = torch.ones(256, 256, device="cuda")
    try:
        for piece in (mib, 8, 2, 1):
            with_room = torch.cuda.mem_get_info()[0] >> 20 > piece
            while with_room:
                HELD.append(torch.empty(piece << 20, dtype=torch.uint8, device="cuda"))
                with_room = torch.cuda.mem_get_info()[0] >> 20 > piece
    except torch.OutOfMemoryError:
        pass
    square @ square


def cupy(mib):
    import cupy

    until_refused(lambda size: cupy.empty(size, dtype="uint8"), mib)


def jax(mib):
    jax = jax_on_card()
    until_refused(lambda size: jax.numpy.zeros(size, "uint8").block_until_ready(), mib)


def driver(mib):
    from campaign.cuda import Cuda

    until_refused(Cuda().allocate, mib)


def bad_device(_mib):
    import torch

    torch.zeros(1, device="cuda:99")


def bad_index(_mib):
    """The kernel itself finds it out; what follows on the card fails."""
    import torch

    torch.zeros(4, device="cuda")[torch.tensor([9], device="cuda")].cpu()


def no_card(_mib):
    import torch

    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    torch.zeros(1, device="cuda")


def host_memory(_mib):
    import numpy as np

    np.ones(1 << 50, dtype="uint8")


def killed(_mib):
    os.kill(os.getpid(), signal.SIGKILL)


def main(how, mib="64"):
    demand(*NEEDS.get(how, ()))
    globals()[how.replace("-", "_")](int(mib))


if __name__ == "__main__":
    main(*sys.argv[1:])
