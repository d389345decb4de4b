"""The built web page: hashed assets kept for good, ``index.html`` asked for anew each time."""
