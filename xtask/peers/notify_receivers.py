"""Receivers that are not ours take the messages about findings.

    python notify_receivers.py PROGRAM FOLDER

needs `pip install standardwebhooks aiosmtpd trustme` and a FOLDER with a configuration and a published generation. The
reference implementation of Standard Webhooks verifies each signature, a real SMTP server takes each mail over TLS with a
login, Python's own mail parser reads it, and an Alertmanager, if one is installed (`apt-get install
prometheus-alertmanager`), takes, shows and ends each alert. Prints a line for each of them, and fails where one refuses.
"""

import contextlib
import email
import email.policy
import http.server
import json
import logging
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
import warnings

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from standardwebhooks.webhooks import Webhook

KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OLD_KEY = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
PASSWORD = "conformance"
# Texts that mean something in a mail or in its headers.
NAMES = ["plain", "=?utf-8?q?x?=", "Größe 😀 名前", "a, b <c@d.example>", "x" * 300]
RULE = """
id = "conformance"
title = "Conformance"
severity = "high"
kind = "program"
first_run = "all"
query = '''select key from (values {rows}) as t(key)'''
identity = ["key"]
message = "{{{{ key }}}}"
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Webhooks:
    """An HTTP server that verifies what it gets, by either key."""

    def __init__(self):
        self.ids, self.failures = [], []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                try:
                    for key in (KEY, OLD_KEY):
                        Webhook(key).verify(body, dict(self.headers))
                    receiver.ids.append(self.headers["webhook-id"])
                except Exception as error:
                    receiver.failures.append(repr(error))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class Mails:
    """The handler of an SMTP server: parses each mail strictly."""

    def __init__(self):
        self.subjects = []

    async def handle_DATA(self, server, session, envelope):
        assert session.ssl is not None or server.is_implicit, "without TLS"
        assert session.authenticated, "without a login"
        assert envelope.rcpt_tos == ["desk@acme.example", "ops@acme.example"], envelope.rcpt_tos
        mail = email.message_from_bytes(envelope.original_content, policy=email.policy.default)
        assert mail.defects == [], mail.defects
        assert len(mail.keys()) == len(set(mail.keys())) == 9, mail.keys()
        assert mail["date"].datetime is not None and mail.get_content_type() == "text/plain"
        self.subjects.append(mail["subject"])
        self.text = mail.get_content()
        return "250 taken"


def smtp_server(mails, context, implicit):
    def login(server, session, envelope, mechanism, data):
        is_ours = (data.login, data.password) == (b"graph", PASSWORD.encode())
        return AuthResult(success=is_ours)

    class Server(Controller):
        def factory(self):
            server = super().factory()
            server.is_implicit = implicit
            return server

    options = {"ssl_context": context} if implicit else {"tls_context": context, "require_starttls": True}
    server = Server(
        mails,
        hostname="127.0.0.1",
        port=free_port(),
        authenticator=login,
        auth_required=True,
        auth_require_tls=not implicit,
        **options,
    )
    server.start()
    return server


@contextlib.contextmanager
def alertmanager(folder):
    """An Alertmanager on a free port; none if none is installed."""
    program = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if program is None:
        yield None
        return
    settings = folder / "alertmanager.yml"
    settings.write_text("route: { receiver: none }\nreceivers: [{ name: none }]\n")
    url = f"http://127.0.0.1:{free_port()}"
    process = subprocess.Popen(
        [
            program,
            f"--config.file={settings}",
            f"--storage.path={folder / 'alertmanager'}",
            f"--web.listen-address={url.removeprefix('http://')}",
            "--cluster.listen-address=",
            "--log.level=error",
        ]
    )
    try:
        for _ in range(200):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{url}/-/ready")
                break
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait()


def alerts(url):
    """The texts of the alerts that it has as active."""
    with urllib.request.urlopen(f"{url}/api/v2/alerts?active=true") as answer:
        return sorted(alert["annotations"]["summary"] for alert in json.load(answer))


def channels(webhooks, starttls, implicit, alerting):
    mail = 'kind = "email"\nfrom = "graph@acme.example"\nto = ["desk@acme.example", "ops@acme.example"]\n'
    mail += 'user = "graph"\npassword = { env = "MAIL_PASSWORD" }\n'
    tables = {
        "webhook": f'kind = "webhook"\nurl = "{webhooks.url}"\nsecret = {{ env = "KEY" }}\n'
        'previous_secret = { env = "OLD_KEY" }\n',
        "starttls": f'{mail}server = "127.0.0.1:{starttls.port}"\n',
        "implicit": f'{mail}server = "127.0.0.1:{implicit.port}"\ntls = "implicit"\n',
    }
    if alerting:
        tables["alertmanager"] = f'kind = "alertmanager"\nurl = "{alerting}"\n'
    text = "".join(f"[channels.{name}]\n{table}" for name, table in tables.items())
    return tables, f"{text}[[routes]]\nto = {json.dumps(list(tables))}\n"


def main(program, folder):
    # It warns of logins without STARTTLS, which TLS from the start does not need.
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    folder = pathlib.Path(folder)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "authority.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    environment = {
        **os.environ,
        "KEY": KEY,
        "OLD_KEY": OLD_KEY,
        "MAIL_PASSWORD": PASSWORD,
        "NEXTHINK_GRAPH__NEXTHINK__CA_FILE": str(folder / "authority.pem"),
    }

    def run(*arguments):
        subprocess.run([program, *arguments], cwd=folder, env=environment, check=True)

    def evaluate(names):
        rows = ", ".join("('" + name.replace("'", "''") + "')" for name in names)
        (folder / "rules").mkdir(exist_ok=True)
        (folder / "rules/conformance.toml").write_text(RULE.format(rows=rows), encoding="utf-8")
        run("rules", "run", "--quiet")

    webhooks, mails = Webhooks(), Mails()
    starttls, implicit = (smtp_server(mails, context, implicit) for implicit in (False, True))
    with alertmanager(folder) as alerting:
        tables, text = channels(webhooks, starttls, implicit, alerting)
        (folder / "notify.toml").write_text(text)
        for name in tables:
            run("notify", "test", name)
        assert mails.subjects[-1].endswith("this is a test of the channel implicit"), mails.subjects
        evaluate(NAMES)
        assert webhooks.failures == [], webhooks.failures
        assert len(set(webhooks.ids)) == len(NAMES) + 1, webhooks.ids
        print(f"standardwebhooks: {len(webhooks.ids)} signatures verified by both keys")
        for name in NAMES:
            told = f"opened (high): {name}"[:180]
            assert sum(told in subject for subject in mails.subjects) == 2, (name, mails.subjects)
        assert "Conformance (rule conformance, finding " in mails.text, mails.text
        print(f"aiosmtpd: {len(mails.subjects)} mails taken, by STARTTLS and by TLS from the start")
        if alerting is None:
            print("Alertmanager: left out, since none is installed")
            return
        shown = alerts(alerting)
        assert set(NAMES) <= set(shown), shown
        evaluate(["another"])
        # What has ended is no longer active.
        time.sleep(1.5)
        left = alerts(alerting)
        assert not set(NAMES) & set(left) and "another" in left, left
        print(f"Alertmanager: {len(shown)} alerts taken, {len(NAMES)} ended")


if __name__ == "__main__":
    main(*sys.argv[1:])
