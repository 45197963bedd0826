"""The `lakegate` command."""
