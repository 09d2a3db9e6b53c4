"""Benchmarks of the service, as ratios to a naive reference measured in the same run."""
