"""Responses: JSend, headers, ETags, ranges, file bodies."""
