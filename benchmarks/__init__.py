"""What the service costs, as ratios against a naive reference measured in the same run."""
