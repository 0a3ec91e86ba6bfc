"""Who may call: the clients a site trusts, each with its keys, FHIR servers and preferences.

Below `hooks`, above `data`: what is read here decides which servers may be called.
"""

from cds_service.tenants.client_profile import CLIENT_PROFILES, ClientProfile
from cds_service.tenants.entries import Known
from cds_service.tenants.reader import TenantsError, read
from cds_service.tenants.tenant import Tenant

__all__ = ["CLIENT_PROFILES", "ClientProfile", "Known", "Tenant", "TenantsError", "read"]
