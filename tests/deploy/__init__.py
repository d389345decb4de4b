"""What the suite is shipped as: images, chart, compose file."""
