"""What runs inside a worker: it trains one trial after another and reports."""
