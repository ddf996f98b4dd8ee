"""Typed clauses to OpenSearch DSL: matching, scoring, sorting, highlighting, and what it costs."""
