"""A trial in an image of the user's: what runs beside it, and what it finds and leaves.

``prepare`` (an init container) leases the trial, writes its data and parameters and turns its command into a script
(``render``). The script runs in the user's image. ``sidecar`` holds the lease meanwhile: it reads what the command
writes (``tail``, ``metrics``), ends it where it must, and hands in value, log and files (``outputs``). What both sides
see is below ``/melon`` (``places``), which the command may change as it likes: so nothing there is followed blindly.
What is ours alone is below ``/melon-own`` (``state``). See docs/adr/0021.
"""
