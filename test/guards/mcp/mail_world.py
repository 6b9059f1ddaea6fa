"""A mailbox over IMAP and a relay over SMTP on loopback, for the test of the guard before a mail server.

Prints the ports as JSON, then a line of recipients for each mail that is sent. Ends when its standard input does.
"""

import imaplib
import json
import socket
import subprocess
import sys
import time
from email.message import EmailMessage

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

USER, PASSWORD = "user", "secret"


class Relay:
    async def handle_DATA(self, server, session, envelope):
        print(json.dumps({"to": envelope.rcpt_tos}), flush=True)
        return "250 OK"


def accepted(*_):
    return AuthResult(success=True)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def connected(port: int) -> imaplib.IMAP4:
    until = time.monotonic() + 60
    while True:
        try:
            return imaplib.IMAP4("127.0.0.1", port)
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def deliver(port: int, mails: list[dict[str, str]]) -> None:
    with connected(port) as box:
        box.login(USER, PASSWORD)
        for mail in mails:
            message = EmailMessage()
            message["From"], message["To"], message["Subject"] = mail["from"], "me@org.example", mail["subject"]
            message["Date"], message["Message-ID"] = "Mon, 1 Mar 2027 10:00:00 +0000", f"<{mail['subject']}@org.example>"
            message.set_content(mail["body"])
            box.append("INBOX", None, None, message.as_bytes())


def main() -> None:
    imap_port, smtp_port = free_port(), free_port()
    command = [sys.executable, "-c", "from pymap.main import main; main()", "--no-tls", "--host", "127.0.0.1", "--port", str(imap_port)]
    server = subprocess.Popen([*command, "dict", "--demo-user", USER, "--demo-password", PASSWORD], stderr=subprocess.DEVNULL)
    relay = Controller(Relay(), hostname="127.0.0.1", port=smtp_port, authenticator=accepted, auth_require_tls=False)
    try:
        relay.start()
        deliver(imap_port, json.loads(sys.argv[1]))
        print(json.dumps({"imap": imap_port, "smtp": smtp_port}), flush=True)
        sys.stdin.read()
    finally:
        relay.stop()
        server.terminate()
        server.wait()


main()
