"""Copies of a study's runs for MLflow and TensorBoard: beside the study, or afterwards.

The ledger is all that is read, but for the points of runs that go on. So a copy can always be
brought up to date, and a tracker that was away has missed nothing.
"""
