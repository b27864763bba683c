"""Reading training scripts without running them: what they let one set, and what they report."""
