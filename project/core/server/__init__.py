"""The HTTP server: a gunicorn worker class and its parts."""
