"""
certs — a certificate authority for the length of a test run

Keys are made by the openssl command, once per process; nothing is stored in the repository.
"""
import atexit
import functools
import os
import shutil
import ssl
import subprocess
import tempfile


def _openssl(*args):
    subprocess.run(["openssl", *args], check=True, capture_output=True)


@functools.cache
def folder():
    path = tempfile.mkdtemp(prefix="wp-certs-")
    os.chmod(path, 0o755)
    atexit.register(shutil.rmtree, path, True)
    return path


def authority(name="ca"):
    """Path of a self-signed CA certificate; its key lies beside it."""
    return _authority(name)


@functools.cache
def _authority(name):
    pem, key = (os.path.join(folder(), name + ext) for ext in (".pem", ".key"))
    _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-keyout", key, "-out", pem, "-days", "30", "-subj", f"/CN={name}.test")
    return pem


def certificate(host, ca="ca", expired=False, serial=1):
    """(certificate, key) for a host name, signed by the authority; serial makes another one."""
    return _certificate(host, ca, expired, serial)


def server_context(host, **how):
    """What a TLS server with the certificate of this host needs; how: as certificate()."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(*certificate(host, **how))
    return made


@functools.cache
def _certificate(host, ca, expired, serial):
    signer = authority(ca)
    base = os.path.join(folder(), f"{host}-{ca}-{int(expired)}-{serial}")
    with open(base + ".ext", "w") as f:
        f.write(f"subjectAltName=DNS:{host}\nextendedKeyUsage=serverAuth,clientAuth\n")
    _openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-keyout", base + ".key", "-out", base + ".csr", "-subj", f"/CN={host}")
    # OpenSSL 3.0's x509 has no start date: a negative number of days is an end in the past.
    _openssl("x509", "-req", "-in", base + ".csr", "-CA", signer, "-CAkey", signer[:-4] + ".key",
             "-set_serial", str(1000 + serial), "-days", "-1" if expired else "30",
             "-extfile", base + ".ext", "-out", base + ".pem")
    return base + ".pem", base + ".key"
