"""The public names and their types; a test holds them equal to the table in `__init__.py`."""

from jotgate.assemble import create_app as create_app
from jotgate.errors import AudienceMismatch as AudienceMismatch
from jotgate.errors import ClaimsStale as ClaimsStale
from jotgate.errors import CredentialsAmbiguous as CredentialsAmbiguous
from jotgate.errors import CrossSite as CrossSite
from jotgate.errors import Expired as Expired
from jotgate.errors import Forbidden as Forbidden
from jotgate.errors import IssuerMismatch as IssuerMismatch
from jotgate.errors import JotgateError as JotgateError
from jotgate.errors import KeysUnavailable as KeysUnavailable
from jotgate.errors import Malformed as Malformed
from jotgate.errors import NewsStale as NewsStale
from jotgate.errors import NotYetValid as NotYetValid
from jotgate.errors import Revoked as Revoked
from jotgate.errors import RoleMissing as RoleMissing
from jotgate.errors import ScopeMissing as ScopeMissing
from jotgate.errors import SettingsError as SettingsError
from jotgate.errors import SignatureInvalid as SignatureInvalid
from jotgate.errors import TokenError as TokenError
from jotgate.errors import TokenMissing as TokenMissing
from jotgate.errors import TypeMismatch as TypeMismatch
from jotgate.errors import Unavailable as Unavailable
from jotgate.errors import UnknownKey as UnknownKey
from jotgate.guard.asgi import GuardMiddleware as GuardMiddleware
from jotgate.guard.guard import Guard as Guard
from jotgate.guard.principal import Principal as Principal
