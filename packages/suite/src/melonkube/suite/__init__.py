"""The supervisor behind ``melon up`` and ``melon demo``.

``supervisor`` starts, watches and ends the four services; ``embedded`` runs that supervisor for a program or a test;
``demo`` shows the whole way from a table to a prediction.
"""
