"""The ports' adapters, one engine each. They raise the types of ``service.errors`` and nothing of their engine's."""
