"""One running body: its configuration, its keys, its flows. The only place where both wings meet.

Rules kept here: a body has the rooms that its framework gives it and no others (promise 2); every
flow turns one message into one outcome that is committed whole (promise 7); what a flow decides is
an entry of the ledger (promise 6). Django, HTTP servers and databases are handed in from outside.
"""
