"""Bytes per second from pageable RAM to the card, as `nvinx bench --measure` finds them."""

import json

from campaign.libraries import lack

from nvinx.calibration import bandwidth

speed, problem = bandwidth.bus()
if speed is None:
    lack(problem)
print(json.dumps({"bytes_per_s": speed}))
