"""The core's `flask` commands, and the toolkit for commands of features."""
