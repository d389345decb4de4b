"""What runs inside a worker: it trains one trial after another and reports.

``spec`` describes trainers and imports nothing heavy; the tuner uses it alone. ``protocol`` is what a trainer
implements, ``lightgbm`` the first implementation, ``worker`` the process around it.
"""
