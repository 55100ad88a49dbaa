"""Lineage: what metrics are built from, as declared, and who read them and decided on them, as recorded."""
