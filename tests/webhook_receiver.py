"""A receiver of webhooks that verifies them with the standardwebhooks package.

webhook_receiver.py FOLDER: prints its URL. It answers with the status in FOLDER/answer (204), verifies by the secrets in FOLDER/secrets, and
writes a line of JSON for each request to FOLDER/got.
"""

import http.server
import json
import pathlib
import sys

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

folder = pathlib.Path(sys.argv[1])


def fits(secret, body, headers):
    try:
        Webhook(secret).verify(body, headers)
        return True
    except WebhookVerificationError:
        return False


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        status = int(folder.joinpath("answer").read_text()) if folder.joinpath("answer").exists() else 204
        secrets = folder.joinpath("secrets").read_text().split() if folder.joinpath("secrets").exists() else []
        got = {
            "id": headers.get("webhook-id"),
            "signatures": len(headers.get("webhook-signature", "").split()),
            "verified": [fits(secret, body, headers) for secret in secrets],
            "status": status,
            "headers": headers,
            "raw": body.decode(),
            "body": json.loads(body),
        }
        # On the disk before the answer, as a good receiver does.
        with folder.joinpath("got").open("a") as file:
            file.write(json.dumps(got) + "\n")
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
print(f"http://127.0.0.1:{server.server_port}/hooks", flush=True)
server.serve_forever()
