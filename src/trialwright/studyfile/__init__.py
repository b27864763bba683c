"""The study file: YAML to a task and back, every problem with its line.

It reads files and checks that what they name is there; it runs nothing and knows no study.
"""

from trialwright.studyfile.dump import dump
from trialwright.studyfile.read import load, parse, whereabouts

__all__ = ["dump", "load", "parse", "whereabouts"]
