"""`plan`: when a campaign will be done, what it will cost, and how good it will be."""
