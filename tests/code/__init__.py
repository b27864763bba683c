"""Tests of `trialwright.code`."""  # noqa: A005  # a package within tests
