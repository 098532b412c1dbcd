"""The gateway: the place at the provider to which hospital systems send.

Rules kept: every door and who may use it stands in one table (`doors`), and nothing else answers;
a file is taken when it is on the disk, and answered once however often it comes; what is taken
goes on by the same hand-over as `sekisho submit`; a key is kept as its digest.

It reads no format itself, sends nothing on its own but through `provider.desk`, and serves no one
who has no key.
"""

from sekisho.provider.gateway.clients import Clients
from sekisho.provider.gateway.config import GatewayConfig, read_config
from sekisho.provider.gateway.forwarding import Forwarder
from sekisho.provider.gateway.jobs import Job, Jobs
from sekisho.provider.gateway.uploads import Uploads

__all__ = ["Clients", "Forwarder", "GatewayConfig", "Job", "Jobs", "Uploads", "read_config"]
