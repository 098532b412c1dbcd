"""The data wing: handles records of persons, only for a submission or a permit.

It never imports the control wing: what a permit, a list or a reason says is handed in by a flow
(`sekisho.body.flows`). DuckDB and Delta Lake are imported inside functions, when used.
"""
