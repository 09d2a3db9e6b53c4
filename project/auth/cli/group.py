"""The group that every topic of auth adds its commands to."""

from project.core.ops.cli import FeatureGroup

auth_cli = FeatureGroup('auth', help='Look after sessions, keys, guesses and events.')
