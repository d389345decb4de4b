"""The answer: endpoints, hot-loaded models, predict."""
