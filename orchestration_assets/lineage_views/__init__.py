"""Lineage as people look at it: a tree, Mermaid, a page, and JSON."""
