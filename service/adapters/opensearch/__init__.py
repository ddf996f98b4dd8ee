"""The search port on OpenSearch, using opensearch-py."""
