"""Agents outside Dagster in its asset graph."""
