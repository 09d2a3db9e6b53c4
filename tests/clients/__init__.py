"""Generated clients of the API, each of which runs the same scenario against the service."""
