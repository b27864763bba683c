"""From a history to proposals, each with its reasons. No proposer keeps any state."""
