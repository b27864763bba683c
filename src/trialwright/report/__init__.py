"""What a study found, in words and figures: terminal, Markdown, HTML."""
