"""The page of what was measured: one section for each part, and the targets."""
