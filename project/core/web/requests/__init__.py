"""Request parsing: bodies, forms, queries and field types."""
