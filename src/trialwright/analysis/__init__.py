"""From histories to numbers: comparisons, curves, models, importance. Pure, and decides nothing."""
