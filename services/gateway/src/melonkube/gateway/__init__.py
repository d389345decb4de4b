"""The only door for people: Host and Origin checks, identity, forwarding, the page, one OpenAPI document.

``door`` decides who comes in, ``forward`` carries a request to the service that answers it, ``page`` serves the
built web page, ``system`` tells how the whole is doing, ``apidoc`` merges the services' OpenAPI documents.
"""
