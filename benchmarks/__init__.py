"""Benchmarks of this service, compared with a naive reference application in the same run."""
