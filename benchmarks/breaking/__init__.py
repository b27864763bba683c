"""What the benchmarks that break studies on purpose share: the studies, and their books."""
