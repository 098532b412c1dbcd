"""Django: the doors of one body (exchange, queries, start page) and the adapters of its store.

Rules kept here: every request to the exchange is signed, fresh and addressed to this body; a room
that the framework does not give this body has no route (404). No flow decides anything here.
"""
