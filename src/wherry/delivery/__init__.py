"""From a git branch to a running environment."""
