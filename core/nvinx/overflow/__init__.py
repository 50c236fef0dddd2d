"""Models larger than the card: their parts, the split, and the scratch folder."""
