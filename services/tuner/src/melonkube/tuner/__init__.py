"""The search: experiments, trials, suggestions, leases, executors."""
