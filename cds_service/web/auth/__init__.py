"""Who calls: verifies the CDS client's JWT before anything else is done for a request.

Sources: CDS Hooks 2.0.1, Trusting CDS Clients; its best practices; rows SEC-3…35, risks C1…C13.
"""

from cds_service.web.auth.gate import Gate, tenant

__all__ = ["Gate", "tenant"]
