"""The native API under ``/v1/asset-library`` (seed 000)."""
