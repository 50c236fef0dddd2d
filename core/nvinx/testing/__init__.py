"""Fakes with real behaviour, shipped so that users' tests can use them too."""

from nvinx.testing.ledger import FakeClock, FakeLiveness, FakeStager, MemoryLedger, MemoryPage
from nvinx.testing.probe import FakeMeter, FakeProbe

FakeLife = FakeLiveness

__all__ = [
    "FakeClock",
    "FakeLife",
    "FakeLiveness",
    "FakeMeter",
    "FakeProbe",
    "FakeStager",
    "MemoryLedger",
    "MemoryPage",
]
