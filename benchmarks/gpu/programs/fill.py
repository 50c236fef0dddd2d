"""Hold all memory of the card but so many MiB until stdin closes: `python fill.py KEPT_MIB`."""

import json
import sys

from evidence.cuda import Cuda

cuda = Cuda()
size = max(cuda.memory()[0] - (int(sys.argv[1]) << 20), 0)
held = cuda.allocate(size) if size else None
print(json.dumps({"held_mib": size >> 20}), flush=True)
sys.stdin.read()
