"""Endpoints: their specification, authorization and rate limits."""
