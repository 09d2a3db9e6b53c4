"""Maintenance of stored content: garbage collection, the integrity check, and moves."""
