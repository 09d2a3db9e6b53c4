"""Request parsing: bodies, forms, queries, field types."""
