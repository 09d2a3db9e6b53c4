"""Values of SECRET_KEY, before and after a rotation."""

OLD, NEW = 'old-' * 10, 'new-' * 10
