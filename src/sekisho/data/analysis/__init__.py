"""Analysis: a study runs on dummy data, then on the extract, in a sandbox without network.

Rules it keeps:
- a study is its archive's hash; only a hash that passed on dummy data runs on an extract;
- the code is taken to be hostile, and so is everything that it writes;
- a control that is missing refuses the run: there is no way to switch one off;
- no value of a person reaches a message or a log; a job's own output stays inside.

What it does not do: it decides on no permit, counts nothing, and releases nothing
(`sekisho.data.release`).

Modules: `study` (package), `dummy` (data from the catalogue alone), `environment` (what a job can
import), `sandbox` (runs one job), `selftest` (attacks it first), `job` (dummy, then real).
"""

__all__ = ["dummy", "environment", "job", "sandbox", "selftest", "study"]
