"""Responses: JSend, headers, ETags, ranges, files and error handlers."""
