"""Support of development: deletion and seed of the database, other git branches, timing."""
