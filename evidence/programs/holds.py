"""Hold MIB of the card until stdin closes, and say whether it is as it was: `holds.py MIB`."""

import ctypes
import json
import os
import sys

from campaign.cuda import Cuda

size = int(sys.argv[1]) << 20
cuda = Cuda()
address = cuda.allocate(size)
there = ctypes.create_string_buffer(os.urandom(size // 64) * 64, size)
cuda.to_card(address, ctypes.addressof(there), size)
print(json.dumps({"holds_mib": size >> 20}), flush=True)
sys.stdin.read()
back = ctypes.create_string_buffer(size)
cuda.from_card(ctypes.addressof(back), address, size)
print(json.dumps({"same": back.raw == there.raw}), flush=True)
