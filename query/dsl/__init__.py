"""Typed clauses to OpenSearch DSL: matching, scoring, sorting, highlighting, and query cost."""
