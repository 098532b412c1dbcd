"""First code inside a job: makes the staged packages and the study importable, then runs it.

Staged as ``/env/start.py``; never imported by the platform. The interpreter runs isolated, so
nothing of the host but its standard library can be imported.
"""

import runpy
import sys

if __name__ == "__main__":
    sys.path[:0] = ["/code", "/env/lib"]
    entry = f"/code/{sys.argv[1]}"
    sys.argv = [entry]
    runpy.run_path(entry, run_name="__main__")
