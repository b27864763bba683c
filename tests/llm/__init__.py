"""Language models as members: real servers on loopback, real programs, real ledgers."""
