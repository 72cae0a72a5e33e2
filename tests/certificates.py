"""Certificates that a test makes for itself, with the `openssl` command."""

import ssl
import subprocess
from pathlib import Path

from attrs import frozen


@frozen
class Authority:
    """One self-signed certificate, its own authority."""

    certificate: Path
    key: Path

    @classmethod
    def made_in(cls, directory: Path, names: str = "IP:127.0.0.1,DNS:localhost") -> "Authority":
        certificate, key = directory / "certificate.pem", directory / "key.pem"
        arguments = f"""
            req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2
            -subj /CN=127.0.0.1 -addext subjectAltName={names}
            -keyout {key.name} -out {certificate.name}
        """.split()
        subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)
        return cls(certificate, key)

    def for_servers(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context

    def for_clients(self) -> ssl.SSLContext:
        """A context that trusts this authority and no other."""
        return ssl.create_default_context(cafile=self.certificate)
