"""Copies a store to servers of others that speak like S3 and Azure Blob Storage, and back.

usage: bucket_servers.py CONFORMANCE FOLDER TENANT [AZURITE]

moto (from PyPI) plays S3. It checks a condition and then writes, in two steps, so that racing writers prove nothing
there. AZURITE is the program of Azurite (from npm), which is Microsoft's own and honours conditions in one step.
"""

import base64
import os
import socket
import subprocess
import sys
import tempfile
import time

ACCOUNT = "demo"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(port, server):
    for _ in range(600):
        if server.poll() is not None:
            sys.exit("the server has ended")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    sys.exit("the server does not answer")


def try_on_moto(conformance, folder, tenant):
    import boto3

    port = free_port()
    moto = os.path.join(os.path.dirname(sys.executable), "moto_server")
    server = subprocess.Popen([moto, "-H", "127.0.0.1", "-p", str(port)], stderr=subprocess.DEVNULL)
    try:
        wait_for(port, server)
        variables = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "demo",
            "AWS_SECRET_ACCESS_KEY": "demo",
            "AWS_REGION": "us-east-1",
        }
        client = boto3.client(
            "s3",
            endpoint_url=variables["AWS_ENDPOINT_URL"],
            region_name="us-east-1",
            aws_access_key_id="demo",
            aws_secret_access_key="demo",
        )
        client.create_bucket(Bucket="backups")
        print("moto, as S3:", flush=True)
        command = [conformance, folder, tenant, "s3://backups/nexthink"]
        subprocess.run(command, env=variables, check=True)
        client.put_bucket_versioning(Bucket="backups", VersioningConfiguration={"Status": "Enabled"})
        command[-1] = "s3://backups/versioned"
        refused = subprocess.run(command, env=variables, capture_output=True, text=True)
        assert refused.returncode != 0 and "versioned" in refused.stderr, refused
        print("a bucket with versions is refused", flush=True)
    finally:
        server.terminate()
        server.wait()


def try_on_azurite(conformance, folder, tenant, azurite):
    from azure.storage.blob import BlobServiceClient

    port = free_port()
    key = base64.b64encode(os.urandom(64)).decode()
    with tempfile.TemporaryDirectory() as place:
        command = [azurite, "--silent", "--skipApiVersionCheck", "--location", place]
        # Azurite would tell its makers that it was started.
        command += ["--disableTelemetry", "--queuePort", "0", "--tablePort", "0"]
        command += ["--blobHost", "127.0.0.1", "--blobPort", str(port)]
        accounts = {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{key}"}
        server = subprocess.Popen(command, env=os.environ | accounts)
        try:
            wait_for(port, server)
            endpoint = f"http://127.0.0.1:{port}/{ACCOUNT}"
            variables = {
                "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
                "AZURE_STORAGE_ACCOUNT_KEY": key,
                "AZURE_STORAGE_ENDPOINT": endpoint,
            }
            connection = (
                f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};"
                f"AccountKey={key};BlobEndpoint={endpoint};"
            )
            BlobServiceClient.from_connection_string(connection).create_container("backups")
            print("Azurite, as Azure Blob Storage:", flush=True)
            command = [conformance, folder, tenant, "az://backups/nexthink", "race"]
            subprocess.run(command, env=variables, check=True)
        finally:
            server.terminate()
            server.wait()


def main():
    conformance, folder, tenant, *azurite = sys.argv[1:]
    try_on_moto(conformance, folder, tenant)
    if azurite:
        try_on_azurite(conformance, folder, tenant, azurite[0])
    else:
        print("Azurite is not installed, so Azure Blob Storage was left out")


main()
