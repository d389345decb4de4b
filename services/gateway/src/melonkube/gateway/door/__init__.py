"""Who comes in: Host and Origin checks against other web pages, the owner's key beyond loopback."""
