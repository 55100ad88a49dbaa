"""What Dagster tells of itself, read from its instance and published as governed metrics."""
