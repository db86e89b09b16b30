"""Signs calls as their providers do and reads what we sign, with libraries that nobody here wrote.

identity_opinion.py FOLDER

Writes roots.pem (who certifies signers), tls.pem (who certifies the server below) and sign.key to FOLDER, and serves
certificates by HTTPS on loopback: /good.pem, /other.pem (of another root), /slow.pem (after 3 s), /moved.pem (a redirect),
/twice.pem (two). Prints "ready PORT". Then answers lines:

sign PATH ATTEST AGE CALLER CALLED    the value of an Identity header, signed AGE seconds ago
verify HEADER                         the claims of one that sign.key signed, as JSON
asked PATH                            how often that was fetched
"""

import collections
import datetime
import http.server
import ipaddress
import json
import pathlib
import ssl
import sys
import threading
import time

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

FOLDER = pathlib.Path(sys.argv[1])
# id-pe-TNAuthList (RFC 8226 §9) with the provider's code 709J.
PROVIDER = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.5.5.7.1.26"), b"\x30\x08\xa0\x06\x16\x04709J")
asked = collections.Counter()


def usage(signs, certifies):
    others = dict.fromkeys(["content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign",
                            "encipher_only", "decipher_only"], False)
    return x509.KeyUsage(digital_signature=signs, key_cert_sign=certifies, **others)


def certificate(name, key, issuer, issuer_key, extensions):
    now = datetime.datetime.now(datetime.timezone.utc)
    day = datetime.timedelta(days=1)
    named = lambda text: x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
    builder = x509.CertificateBuilder().subject_name(named(name)).issuer_name(named(issuer)).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - day).not_valid_after(now + day)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer_key, hashes.SHA256())


def authority(name):
    key = ec.generate_private_key(ec.SECP256R1())
    extensions = [(x509.BasicConstraints(True, None), True), (usage(False, True), True)]
    return key, certificate(name, key, name, key, extensions)


def pem(*certificates):
    return b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in certificates)


def private(key):
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)


def signer(root_key, root_name):
    """A provider's key, and its chain of two."""
    between_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    extensions = [(x509.BasicConstraints(True, 0), True), (usage(False, True), True)]
    between = certificate("between", between_key, root_name, root_key, extensions)
    extensions = [(x509.BasicConstraints(False, None), True), (usage(True, False), True), (PROVIDER, False)]
    return key, pem(certificate("SHAKEN", key, "between", between_key, extensions), between)


class Certificates(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        asked[self.path] += 1
        moved = {"/moved.pem": "/good.pem", "/twice.pem": "/moved.pem"}.get(self.path)
        if moved:
            self.send_response(302)
            self.send_header("Location", moved)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if self.path == "/slow.pem":
            time.sleep(3)
        body = other_chain if self.path == "/other.pem" else chain
        self.send_response(200)
        self.send_header("Content-Type", "application/pem-certificate-chain")
        self.send_header("Cache-Control", "max-age=3600")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def serve():
    root_key, root = authority("tls root")
    key = ec.generate_private_key(ec.SECP256R1())
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    own = certificate("127.0.0.1", key, "tls root", root_key, [(names, False), (x509.BasicConstraints(False, None), True)])
    (FOLDER / "tls.pem").write_bytes(pem(root))
    (FOLDER / "server.pem").write_bytes(pem(own) + private(key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(FOLDER / "server.pem")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Certificates)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def sign(port, path, attest, age, caller, called):
    url = path if path.startswith("https:") else f"https://127.0.0.1:{port}{path}"
    claims = {"attest": attest, "dest": {"tn": [called]}, "iat": int(time.time()) - int(age), "orig": {"tn": caller},
              "origid": "123e4567-e89b-12d3-a456-426655440000"}
    header = {"alg": "ES256", "ppt": "shaken", "typ": "passport", "x5u": url}
    own = other_key if path == "/other.pem" else key
    return f"{jwt.encode(claims, own, algorithm='ES256', headers=header)};info=<{url}>;alg=ES256;ppt=shaken"


def verify(value):
    token = value.split(";")[0]
    header = jwt.get_unverified_header(token)
    return json.dumps({"header": header, "claims": jwt.decode(token, sign_key.public_key(), algorithms=["ES256"],
                                                              options={"verify_iat": False})})


root_key, root = authority("STI root")
other_root_key, _ = authority("other root")
key, chain = signer(root_key, "STI root")
other_key, other_chain = signer(other_root_key, "other root")
sign_key = ec.generate_private_key(ec.SECP256R1())
(FOLDER / "roots.pem").write_bytes(pem(root))
(FOLDER / "sign.key").write_bytes(private(sign_key))
port = serve()
print("ready", port, flush=True)
for line in sys.stdin:
    command, *words = line.split()
    if command == "sign":
        print(sign(port, *words), flush=True)
    elif command == "verify":
        print(verify(words[0]), flush=True)
    else:
        print(asked[words[0]], flush=True)
