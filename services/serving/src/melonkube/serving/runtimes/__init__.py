"""Model runtimes: what turns a bundle's model file into something that scores rows.

A runtime is a class found by the entry points ``melonkube.runtimes``, named by the bundle's ``flavor``;
``protocol`` says what it must do, ``tests/serving/runtimes`` checks any of them against it.
"""
