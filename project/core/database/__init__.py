"""What lasts: database, files' bytes, mail. Knows neither requests nor the terminal."""
