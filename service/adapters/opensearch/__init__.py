"""The search port on OpenSearch, by opensearch-py."""
