"""Optimisers that need an environment of their own, each in a process of its own.

`make rivals` builds the environments. `client` asks and tells from the benchmark's side; `server`
is the other side's loop, and `smac` and `hebo` import nothing else but their library.
"""
