"""What is measured on: dbt projects that are built, with the questions that are asked of them."""
