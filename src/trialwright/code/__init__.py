"""Training code as text: what may be tuned in it, what a change is, named structural rewrites.

Text in, text out: it knows no trial and no history.
"""
