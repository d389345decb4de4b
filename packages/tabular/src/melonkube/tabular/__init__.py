"""Tables, from the bytes of an upload to the numbers a model sees.

Pure: no network, no database. The registry reads and profiles files with it, the tuner describes targets and
splits rows, the trainer encodes tables and serving encodes JSON rows, so that a prediction sees what training
saw. One module a subject: ``targets``, ``split``, ``signature``, ``encode``, ``instances``, ``labels``, and the
registry's reading (``sniff``, ``read``, ``profile``, ``roles``).
"""
