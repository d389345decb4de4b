"""The door for workers on other machines: a process of its own, which forwards their calls and nothing else.

See docs/adr/0018.
"""
