"""
Traffic made up by rule: the demo, load, comparisons, and the proof that nothing was lost.

Talks to the product from outside only (HTTP, and SQL for the proofs); imports neither collector nor
query_api.
"""
