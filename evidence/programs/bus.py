"""Bytes per second from pageable RAM to the card, as `nvinx bench --measure` finds them."""

import json
import sys

from nvinx.calibration import bandwidth

ABSENT = 69

speed, problem = bandwidth.bus()
if speed is None:
    print(problem)
    sys.exit(ABSENT)
print(json.dumps({"bytes_per_s": speed}))
