"""The doors: what a person or a script uses. Everything that it shows is computed below it."""
