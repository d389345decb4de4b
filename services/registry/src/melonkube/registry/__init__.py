"""The memory: data sets, runs, metrics, artifacts, models, versions, aliases."""
