"""``sdjscc conditions``"""

from __future__ import annotations

import click
import grpc

from sdjscc.channels import check_snr_db
from sdjscc.cli.connection import connection_options
from sdjscc.client.errors import LinkError
from sdjscc.v1.channel_pb2 import GetConditionsRequest, SetConditionsRequest
from sdjscc.v1.channel_pb2_grpc import ChannelServiceStub
from sdjscc.wire.metadata import ORIGIN_KEY
from sdjscc.wire.options import channel_options
from sdjscc.wire.tls import TlsFiles, handshake_problem, open_channel

__all__ = ["command"]

_TIMEOUT_S = 10.0


@click.command("conditions")
@click.option("--server", default="127.0.0.1:50052", envvar="SDJSCC_CHANNEL", show_default=True, help="The channel.")
@click.option("--snr", "snr_db", type=float, help="SNR in dB to set; left out, the one in force is shown.")
@connection_options
def command(server: str, snr_db: float | None, tls: TlsFiles, insecure: bool) -> None:
    """Read or set the SNR of a running channel, for images whose sender asks for none."""
    with open_channel(server, channel_options(), tls, insecure) as connection:
        stub = ChannelServiceStub(connection)
        try:
            if snr_db is None:
                held = stub.GetConditions(GetConditionsRequest(), timeout=_TIMEOUT_S)
            else:
                held = stub.SetConditions(SetConditionsRequest(snr_db=check_snr_db(snr_db)), timeout=_TIMEOUT_S)
        except grpc.RpcError as error:
            raise LinkError(error.code(), _sentence(error, server)) from error
    click.echo(f"{held.model} at {held.snr_db:g} dB")


def _sentence(error: grpc.RpcError, server: str) -> str:
    details: str = error.details() or ""
    if any(key == ORIGIN_KEY for key, _ in error.trailing_metadata() or ()):
        return details
    return handshake_problem(server, details) or f"no channel answers at {server}; start it or give another --server"
