"""What a practitioner knows of hyperparameters before seeing any result, kept as data with sources.

Concepts (`concepts.yaml`) say what a parameter's name means; families (`families.yaml`) refine them
for a kind of model; `metrics.yaml` knows what metrics can be. It knows no space and no history.
"""

from trialwright.knowledge.base import (
    Advice,
    MetricFacts,
    MoveRule,
    Recipe,
    Step,
    advice,
    concept_of,
    depth,
    family_of,
    family_of_names,
    family_of_prefix,
    metric_facts,
    move_rules,
    recipes,
    settled,
)
from trialwright.knowledge.domains import guess_domain
from trialwright.knowledge.facts import FACTS, fact_fault, facts_in

__all__ = [
    "FACTS",
    "Advice",
    "MetricFacts",
    "MoveRule",
    "Recipe",
    "Step",
    "advice",
    "concept_of",
    "depth",
    "fact_fault",
    "facts_in",
    "family_of",
    "family_of_names",
    "family_of_prefix",
    "guess_domain",
    "metric_facts",
    "move_rules",
    "recipes",
    "settled",
]
