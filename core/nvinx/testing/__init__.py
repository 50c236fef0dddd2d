"""Fakes with real behaviour, shipped so that users' tests can use them too."""

from nvinx.testing.checkpoint import FakeCheckpoint
from nvinx.testing.ledger import (
    FakeBudgets,
    FakeClock,
    FakeLiveness,
    FakeStager,
    MemoryLedger,
    MemoryTransaction,
)
from nvinx.testing.probe import FakeMeter, FakeProbe, FakeTopology

FakeLife = FakeLiveness
MemoryPage = MemoryTransaction

__all__ = [
    "FakeBudgets",
    "FakeCheckpoint",
    "FakeClock",
    "FakeLife",
    "FakeLiveness",
    "FakeMeter",
    "FakeProbe",
    "FakeStager",
    "FakeTopology",
    "MemoryLedger",
    "MemoryPage",
    "MemoryTransaction",
]
