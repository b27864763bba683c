"""The protocol's door."""
