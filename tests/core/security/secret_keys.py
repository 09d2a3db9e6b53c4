"""Values of SECRET_KEY before its rotation (`OLD`) and after it (`NEW`)."""

OLD, NEW = 'old-' * 10, 'new-' * 10
