"""The group that every topic of users adds its commands to."""

from project.core.ops.cli import FeatureGroup

users_cli = FeatureGroup('users', help='Look after users.')
