"""The files port on S3: MinIO, AWS, or any engine that speaks as they do."""
