"""What a user proves their identity with: passwords, PINs, second factors, keys and tokens."""
