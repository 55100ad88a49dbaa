"""The command `governed-agents`."""

from orchestration_assets.cli.app import main as main
