"""The dashboard: studies in a browser, live, from their ledgers."""
