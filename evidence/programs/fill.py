"""Hold all memory of the card but so many MiB until stdin closes: `python fill.py KEPT_MIB`."""

import json
import sys

from campaign.cuda import Cuda

PIECE = 4 << 30
cuda, held = Cuda(), 0
while (size := min(cuda.memory()[0] - (int(sys.argv[1]) << 20), PIECE)) > 0:
    cuda.allocate(size)
    held += size
print(json.dumps({"held_mib": held >> 20}), flush=True)
sys.stdin.read()
