"""How fast RAM and card copy to each other, pageable and pinned, by size.

    python copies.py MIB,MIB,... ROUNDS

One JSON line: bytes per second of each round.
"""

import ctypes
import json
import sys
import time

from campaign.cuda import Cuda

SOME = 0x5A  # pages that were never written would all be one page of zeros


def speeds(copy, target, source, size, rounds):
    copy(target, source, size)  # the first one pages in
    found = []
    for _ in range(rounds):
        begin = time.perf_counter()
        copy(target, source, size)
        found.append(size / (time.perf_counter() - begin))
    return found


def both_ways(cuda, host, size, rounds):
    card = cuda.allocate(size)
    try:
        return {
            "to_card": speeds(cuda.to_card, card, host, size, rounds),
            "from_card": speeds(cuda.from_card, host, card, size, rounds),
        }
    finally:
        cuda.free(card)


def main(sizes, rounds):
    cuda, rows = Cuda(), []
    for mib in map(int, sizes.split(",")):
        size = mib << 20
        pageable = ctypes.create_string_buffer(size)
        pinned = cuda.pin(size)
        for kind, host in (("pageable", ctypes.addressof(pageable)), ("pinned", pinned)):
            ctypes.memset(host, SOME, size)
            for way, each in both_ways(cuda, host, size, rounds).items():
                rows.append({"ram": kind, "way": way, "mib": mib, "bytes_per_s": each})
        cuda.unpin(pinned)
    print(json.dumps({"rows": rows}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
