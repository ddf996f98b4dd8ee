"""The limits of the jobs in the suites: they retry, sweep and give up within a fraction of a second."""

from __future__ import annotations

from service.adapters.jobs.limits import JobLimits

ATTEMPTS = 3
LEASE_OUTLASTED = 4
"""Renewals after which a run has certainly lasted for longer than a lease: there are three in each."""
LIMITS = JobLimits(
    concurrency=2, kinds={"slow": 1}, attempts=ATTEMPTS, backoff=0.02, sweep=0.1, lease=0.3, turn=0.2, grace=0.2
)
