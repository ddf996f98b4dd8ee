"""The files port on S3: MinIO, AWS, or any compatible engine."""
