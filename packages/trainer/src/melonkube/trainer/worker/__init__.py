"""The worker: a process that leases trials of one experiment, trains them one after another, and reports.

Run as ``python -m melonkube.trainer.worker``; ``settings`` has its environment. The main thread trains. One thread
keeps the lease alive and carries intermediate values to the tuner (``lease``), another writes the run to the registry
(``recorder``), so that neither a slow answer nor an outage holds up training or each other.
"""
