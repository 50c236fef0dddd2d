"""The queue-aware latency model of nvinx 0.3."""
