"""Fakes with real behaviour, shipped so that users' tests can use them too."""
