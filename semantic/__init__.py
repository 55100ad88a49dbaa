"""What metrics mean, and governed reading of them. Knows neither Dagster nor any model SDK."""
