# SPDX-License-Identifier: Apache-2.0
"""Certificates of the parties: a private authority, and one certificate per role.

A role is a URI in the certificate, `urn:gatewright:role:server`, which the other party checks; the extended key usage
says the same to TLS itself. Names of hosts do not count: who holds the server's key is the server.
"""

from __future__ import annotations

import datetime
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gatewright.errors import DataError, MissingExtraError

if TYPE_CHECKING:
    from cryptography import x509

AUTHORITY, CERTIFICATE, KEY = "ca.pem", "cert.pem", "key.pem"
PREFIX = "urn:gatewright:role:"
DAYS = 365
CLOCKS = datetime.timedelta(minutes=5)
"""That the clocks of the parties may differ."""


class PartyRole(Enum):
    """Who a party is."""

    SERVER = "server"
    CLIENT = "client"
    DEALER = "dealer"

    @property
    def uri(self) -> str:
        """As the certificate has it."""
        return PREFIX + self.value


@dataclass(frozen=True)
class Keys:
    """The files that one party proves its role with.

    Attributes:
        folder: holds ca.pem, cert.pem and key.pem.
    """

    folder: Path

    @staticmethod
    def load(folder: str | Path) -> Keys:
        """Check that the files are there and that the key is nobody else's to read.

        Raises:
            DataError: a file is missing, or others may read the key.
        """
        keys = Keys(Path(folder))
        for path in (keys.authority, keys.certificate, keys.key):
            if not path.is_file():
                hint = "gatewright secure keys DIR makes them; a party gets its own folder of DIR"
                raise DataError(str(path), "not found", f"{AUTHORITY}, {CERTIFICATE} and {KEY} of one party", hint)
        if stat.S_IMODE(keys.key.stat().st_mode) & 0o077:
            raise DataError(str(keys.key), "others may read this private key", "mode 0600", f"chmod 600 {keys.key}")
        return keys

    @property
    def authority(self) -> Path:
        """Certificate of the authority."""
        return self.folder / AUTHORITY

    @property
    def certificate(self) -> Path:
        """Certificate of the party."""
        return self.folder / CERTIFICATE

    @property
    def key(self) -> Path:
        """Private key of the party."""
        return self.folder / KEY


def make(folder: str | Path, roles: Sequence[PartyRole] = tuple(PartyRole), days: int = DAYS) -> list[Path]:
    """Write an authority and a folder per role: P-256 keys, certificates for `days` days; the folders made.

    Where the authority is already there, it signs the roles that are not.

    Raises:
        DataError: a folder of these is already there.
        MissingExtraError: the extra `secure` is not installed.
    """
    home = Path(folder)
    taken = [r.value for r in roles if (home / r.value).exists()]
    if taken:
        hint = "choose another folder; or delete this one, then every party needs its new keys"
        raise DataError(str(home), f"already holds keys: {', '.join(taken)}", "a folder without them", hint)
    x509, ec = _library()
    if (home / "ca" / KEY).exists():
        authority = _authority(home / "ca")
    else:
        key = ec.generate_private_key(ec.SECP256R1())
        authority = key, _certificate(x509, key.public_key(), None, key, None, days)
        _write(home / "ca", authority, None)
    made = []
    for role in roles:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _certificate(x509, key.public_key(), role, authority[0], authority[1], days)
        _write(home / role.value, (key, certificate), authority[1])
        made.append(home / role.value)
    return made


def _library() -> tuple[Any, Any]:
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives.asymmetric import ec
    except ImportError:
        raise MissingExtraError(
            "secure keys", "the package cryptography is not installed", hint="pip install 'gatewright[secure]'"
        ) from None
    return x509, ec


def _certificate(
    x509: Any, public: Any, role: PartyRole | None, key: Any, issuer: x509.Certificate | None, days: int
) -> x509.Certificate:
    """Signed by `key`; of the authority itself where there is no role."""
    from cryptography.hazmat.primitives import hashes

    name = x509.Name(
        [x509.NameAttribute(x509.NameOID.COMMON_NAME, f"gatewright {role.value if role else 'authority'}")]
    )
    now = datetime.datetime.now(datetime.timezone.utc)
    signer = public if issuer is None else issuer.public_key()
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only"), False
    )
    usage |= {"decipher_only": False, "digital_signature": role is not None}
    usage |= {"key_cert_sign": role is None, "crl_sign": role is None}
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name if issuer is None else issuer.subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCKS)
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=role is None, path_length=0 if role is None else None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer), critical=False)
    )
    if role is not None:
        # The client only ever calls, the dealer only listens, the server does both.
        both = [x509.ExtendedKeyUsageOID.SERVER_AUTH, x509.ExtendedKeyUsageOID.CLIENT_AUTH]
        uses = {PartyRole.SERVER: both, PartyRole.CLIENT: both[1:], PartyRole.DEALER: both[:1]}[role]
        made = made.add_extension(
            x509.SubjectAlternativeName([x509.UniformResourceIdentifier(role.uri)]), critical=False
        ).add_extension(x509.ExtendedKeyUsage(uses), critical=True)
    return made.sign(key, hashes.SHA256())


def _authority(folder: Path) -> tuple[Any, x509.Certificate]:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key((folder / KEY).read_bytes(), None)
        return key, x509.load_pem_x509_certificate((folder / AUTHORITY).read_bytes())
    except (OSError, ValueError):
        raise DataError(str(folder), "cannot be read", "an authority made by gatewright secure keys") from None


def _write(folder: Path, pair: tuple[Any, x509.Certificate], authority: x509.Certificate | None) -> None:
    from cryptography.hazmat.primitives import serialization as s

    folder.mkdir(parents=True, mode=0o700)
    secret = pair[0].private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption())
    public = pair[1].public_bytes(s.Encoding.PEM)
    if authority is None:
        (folder / AUTHORITY).write_bytes(public)
    else:
        (folder / AUTHORITY).write_bytes(authority.public_bytes(s.Encoding.PEM))
        (folder / CERTIFICATE).write_bytes(public)
    with open(os.open(folder / KEY, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secret)
