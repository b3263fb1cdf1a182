# SPDX-License-Identifier: Apache-2.0
"""What the integration tests stand on: a private daemon, a JSON-RPC client, a look at the host."""
