"""What is done about failed Dagster runs, as agents proposed it and a person or the policy allowed it."""
