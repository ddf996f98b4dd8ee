"""Assetry's service: ports, use cases, adapters, the HTTP API and the command line."""
