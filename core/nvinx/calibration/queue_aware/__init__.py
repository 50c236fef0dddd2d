"""Measuring for the queue-aware model of nvinx 0.3."""
