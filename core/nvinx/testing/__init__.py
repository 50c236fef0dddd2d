"""Fakes with real behaviour, shipped so that users' tests can use them too."""

from nvinx.testing.ledger import FakeClock, FakeLife, FakeStager, MemoryLedger, MemoryPage
from nvinx.testing.probe import FakeMeter, FakeProbe

__all__ = [
    "FakeClock",
    "FakeLife",
    "FakeMeter",
    "FakeProbe",
    "FakeStager",
    "MemoryLedger",
    "MemoryPage",
]
