"""Programs that measure what Trialwright promises: each takes `--quick`, ends with JSON."""
