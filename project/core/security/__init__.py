"""Password hashing, encryption, signing, tokens, principals and permissions."""
