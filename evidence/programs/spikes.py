"""A program whose memory goes up and down: `python spikes.py kept|returned`.

Above 256 MiB there are spikes of rising size and 0.02 to 1 s. With `returned` each spike is given
back to the driver, with `kept` torch's allocator keeps it, as it does by default. Says when it
begins, and at the end torch's own peaks.
"""

import json
import sys
import time

from campaign.libraries import demand

REST_S = 0.7
SPIKES = ((1.0, 512), (0.4, 768), (0.15, 1024), (0.05, 1280), (0.02, 1536))  # s, MiB


def main(how):
    demand("torch")
    import torch

    def hold(mib):
        return torch.zeros(mib << 20, dtype=torch.uint8, device="cuda")

    base = hold(256)
    torch.cuda.synchronize()
    lasts_s = sum(seconds + REST_S for seconds, _ in SPIKES) + REST_S
    print(json.dumps({"lasts_s": lasts_s}), flush=True)
    for seconds, mib in SPIKES:
        time.sleep(REST_S)
        spike = hold(mib)
        torch.cuda.synchronize()
        time.sleep(seconds)
        del spike
        if how == "returned":
            torch.cuda.empty_cache()
    peaks = torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved()
    allocated, reserved = (peak >> 20 for peak in peaks)
    print(json.dumps({"allocated_mib": allocated, "reserved_mib": reserved}), flush=True)
    sys.stdin.read()
    del base


if __name__ == "__main__":
    main(sys.argv[1])
