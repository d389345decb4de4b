"""The only door for people: identity, routing, the page, one OpenAPI document."""
