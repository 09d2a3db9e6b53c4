"""Credentials: passwords, PINs, second factors, API keys and tokens."""
