"""The command `governed-agents`, one file per command."""
