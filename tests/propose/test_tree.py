"""The search tree: lineage, modes by measured state, words, and that it outlives its process."""

from __future__ import annotations

import pytest

from tests.propose.proposer_conformance import ProposerConformance
from trialwright.propose.proposer import Proposer
from trialwright.propose.tree import TreeSearch


class TestTree(ProposerConformance):
    """It keeps what every proposer promises."""

    @pytest.fixture
    def proposer(self) -> Proposer:
        """The tree."""
        return TreeSearch()
