"""Whether a green context holds a program to so many multiprocessors: `python slice_check.py SMS`.

One JSON line: seconds of a matrix product on the whole card and in the slice.
"""

import json
import statistics
import sys
import time

from campaign.libraries import demand
from campaign.slices import enter_slice

SIDE, ROUNDS = 8192, 5


def product_s(torch, square):
    times = []
    for _ in range(ROUNDS + 1):
        begin = time.perf_counter()
        square @ square
        torch.cuda.synchronize()
        times.append(time.perf_counter() - begin)
    return statistics.median(times[1:])


def main(sms):
    demand("torch")
    import torch

    square = torch.rand(SIDE, SIDE, device="cuda", dtype=torch.float16)
    whole = torch.cuda.get_device_properties(0).multi_processor_count
    whole_s = product_s(torch, square)
    kept = enter_slice(sms, None)
    found = {"sms": sms, "of": whole, "whole_s": whole_s, "slice_s": product_s(torch, square)}
    print(json.dumps(found))
    del kept


if __name__ == "__main__":
    main(int(sys.argv[1]))
