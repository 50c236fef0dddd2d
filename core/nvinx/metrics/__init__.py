"""What nvinx tells Prometheus."""
