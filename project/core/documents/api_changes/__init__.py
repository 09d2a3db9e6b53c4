"""Changes between two OpenAPI documents, and whether they break clients.

`docs/adr/0046` has the rules and their reasons.
"""
