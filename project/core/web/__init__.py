"""The request path: what comes in, who may, what goes out."""
