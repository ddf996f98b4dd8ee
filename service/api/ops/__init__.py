"""What operators watch: health, readiness, metrics."""
