"""What the platform that runs everything tells of itself, as governed metrics beside those of a dbt project."""
