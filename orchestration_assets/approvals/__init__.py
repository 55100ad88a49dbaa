"""People in the loop: what agents propose, who is told, what an answer changes in Dagster, and what is done once it was approved."""
