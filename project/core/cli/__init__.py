"""What operators see: commands, logs, health, the documentation page."""
