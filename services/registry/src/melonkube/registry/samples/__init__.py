"""Sample data sets that come with the installation."""
