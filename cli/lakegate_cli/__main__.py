"""`python -m lakegate_cli` is the `lakegate` command."""

from lakegate_cli.main import app

app()
