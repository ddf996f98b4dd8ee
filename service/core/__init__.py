"""The use cases: what Assetry does, whatever the dialect that asks and the engine that keeps."""
