"""Query text in, OpenSearch DSL out: pure, with no I/O and no clock of its own."""
