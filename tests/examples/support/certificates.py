"""Certificates for a script, made by openssl: a root, and what it has signed, each with its key in one file."""
import atexit
import os
import shutil
import subprocess
import tempfile

CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


class Certificates:
    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="evloop-certificates-")
        atexit.register(shutil.rmtree, self.directory, True)
        self._openssl("req", "-x509", *CURVE, "-subj", "/CN=a root", "-keyout", self.path("root.key"),
                      "-out", self.path("root"))
        self.root = self.path("root")
        self.server = self._signed("server", "DNS:localhost,IP:127.0.0.1")
        self.elsewhere = self._signed("elsewhere", "DNS:elsewhere.example")
        self.client = self._signed("client", "DNS:client")

    def path(self, name):
        return os.path.join(self.directory, name)

    def _openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=60)

    def _signed(self, name, alternative):
        request, certificate, key, both = (self.path(name + end) for end in (".csr", ".crt", ".key", ".pem"))
        with open(self.path(name + ".ext"), "w", encoding="ascii") as file:
            file.write(f"subjectAltName={alternative}\nbasicConstraints=CA:FALSE\n")
        self._openssl("req", "-new", *CURVE, "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        self._openssl("x509", "-req", "-in", request, "-CA", self.root, "-CAkey", self.path("root.key"),
                      "-CAcreateserial", "-days", "1", "-extfile", self.path(name + ".ext"), "-out", certificate)
        with open(both, "wb") as out:
            for part in (certificate, key):
                with open(part, "rb") as file:
                    out.write(file.read())
        return both
