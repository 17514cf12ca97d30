"""TLS from files: what is refused before anything is sent, and what the text of gRPC's core says."""

from __future__ import annotations

import re
import shutil
import stat
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from cryptography.hazmat.primitives.serialization import load_pem_private_key as load_key

from channel.settings import ChannelSettings
from receiver.settings import ReceiverSettings
from sdjscc.cli.dev_ca import command as dev_ca
from sdjscc.client import Client
from sdjscc.errors import InvalidRequest, SdjsccError
from sdjscc.serving.core_log import read_record
from sdjscc.serving.settings import ServiceSettings, parse_settings
from sdjscc.wire.tls import TlsFiles, handshake_problem, is_loopback
from transmitter.settings import TransmitterSettings

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pki")
    made = CliRunner().invoke(dev_ca, [str(folder), "--host", "channel,10.0.0.7", "--client", "anna"])
    assert made.exit_code == 0, made.output
    return folder


@pytest.mark.parametrize(
    ("target", "stays"),
    [
        ("127.0.0.1:50051", True),
        ("127.9.9.9", True),
        ("localhost:50051", True),
        ("[::1]:50051", True),
        ("::1", True),
        ("unix:/run/sdjscc", True),
        ("dns:///localhost:50051", True),
        ("ipv4:127.0.0.1:1,127.0.0.2:1", True),
        ("ipv6:[::1]:1", True),
        ("0.0.0.0:50051", False),
        ("[::]:50051", False),
        (":50051", False),
        ("", False),
        ("receiver:50053", False),
        ("dns:///receiver:50053", False),
        ("127.0.0.1.example.org:1", False),
        ("localhost.example.org:1", False),
        ("ipv4:127.0.0.1:1,10.0.0.1:1", False),
        ("xds:///localhost", False),
    ],
)
def test_what_stays_on_this_machine(target: str, stays: bool) -> None:
    assert is_loopback(target) is stays


def test_files_are_read_and_their_stamp_tells_of_changes(pki: Path, tmp_path: Path) -> None:
    shutil.copytree(pki, tmp_path, dirs_exist_ok=True)
    names = ("ca.crt", "tls.crt", "tls.key")
    files = TlsFiles(*(tmp_path / "channel" / name for name in names))
    pem = files.read()
    assert [pem.ca, pem.certificate, pem.key] == [(pki / "channel" / name).read_bytes() for name in names]
    before = files.stamp()
    assert files.stamp() == before
    (tmp_path / "channel" / "tls.crt").unlink()
    assert files.stamp() != before


def test_files_that_cannot_be_used_are_one_sentence(pki: Path, tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("no certificate")
    private = load_key((pki / "channel" / "tls.key").read_bytes(), None)
    locked = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    (tmp_path / "locked.key").write_bytes(locked)
    ca, cert, key = (pki / "channel" / name for name in ("ca.crt", "tls.crt", "tls.key"))
    for files, sentence in {
        TlsFiles(tmp_path / "gone.pem"): "gone.pem cannot be read: No such file",
        TlsFiles(tmp_path): "cannot be read: Is a directory",
        TlsFiles(tmp_path / "no.pem"): "no.pem holds no certificate of an authority",
        TlsFiles(ca, cert): "--tls-cert is given without --tls-key; give both",
        TlsFiles(ca, None, key): "--tls-key is given without --tls-cert; give both",
        TlsFiles(ca, cert, pki / "anna" / "tls.key"): "anna/tls.key does not fit the certificate",
        TlsFiles(ca, tmp_path / "no.pem", key): "are no certificate and key in PEM",
        TlsFiles(ca, cert, tmp_path / "locked.key"): "locked.key asks for a passphrase; give one without",
    }.items():
        with pytest.raises(InvalidRequest) as caught:
            files.read()
        assert sentence in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_client_sends_nothing_in_plaintext_to_other_machines_unasked(pki: Path) -> None:
    with pytest.raises(SdjsccError, match=r"connection to example.org:1 would be in plaintext.*--insecure"):
        Client("example.org:1")
    with pytest.raises(SdjsccError, match="--tls-cert is given without --tls-ca"):
        Client("example.org:1", tls=TlsFiles(None, pki / "anna" / "tls.crt", pki / "anna" / "tls.key"))
    Client("example.org:1", insecure=True).close()
    Client("example.org:1", tls=TlsFiles(pki / "ca.crt")).close()


@pytest.mark.parametrize(
    ("kind", "flags", "problem"),
    [
        (ReceiverSettings, ["--listen=0.0.0.0:50053"], "what comes in at 0.0.0.0:50053 would be in plaintext"),
        (ChannelSettings, ["--listen=[::]:50052"], "would be in plaintext"),
        (TransmitterSettings, ["--listen=transmitter:50051"], "would be in plaintext"),
        (ChannelSettings, ["--upstream=receiver:50053"], "the connection to receiver:50053 would be in plaintext"),
        (TransmitterSettings, ["--upstream=dns:///channel:50052"], "give TLS files"),
        # TLS towards one side does not make the other side's plaintext harmless.
        (ChannelSettings, ["--upstream=receiver:1", "--tls-cert=a", "--tls-key=b"], "the connection to receiver:1"),
        (ChannelSettings, ["--listen=0.0.0.0:1", "--tls-ca=a"], "what comes in at 0.0.0.0:1"),
        (ReceiverSettings, ["--listen=0.0.0.0:50053", "--insecure"], ""),
        (ChannelSettings, ["--listen=0.0.0.0:50052", "--upstream=receiver:50053", "--insecure"], ""),
        (ChannelSettings, ["--listen=0.0.0.0:1", "--upstream=b:1", "--tls-ca=a", "--tls-cert=b", "--tls-key=c"], ""),
    ],
)
def test_a_service_speaks_plaintext_to_other_machines_only_when_told(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    kind: type[ServiceSettings],
    flags: list[str],
    problem: str,
) -> None:
    monkeypatch.setattr("sys.argv", ["service", *flags])
    if not problem:
        parse_settings(kind)
        return
    with pytest.raises(SystemExit) as ended:
        parse_settings(kind)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert problem in said
    assert said.count("\n") == 1


def test_insecure_can_be_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["service"])
    monkeypatch.setenv("SDJSCC_RECEIVER_LISTEN", "0.0.0.0:50053")
    monkeypatch.setenv("SDJSCC_RECEIVER_INSECURE", "true")
    assert parse_settings(ReceiverSettings).insecure
    monkeypatch.setenv("SDJSCC_RECEIVER_INSECURE", "false")
    with pytest.raises(SystemExit):
        parse_settings(ReceiverSettings)


def test_the_authority_is_kept_and_certificates_are_renewed(pki: Path, tmp_path: Path) -> None:
    def make(*arguments: str) -> None:
        assert CliRunner().invoke(dev_ca, [str(tmp_path), *arguments]).exit_code == 0

    def held() -> dict[str, bytes]:
        return {str(file.relative_to(tmp_path)): file.read_bytes() for file in tmp_path.rglob("*.*")}

    make()
    before = held()
    parties = ("transmitter", "channel", "receiver", "client")
    of_parties = {f"{party}/{file}" for party in parties for file in ("ca.crt", "tls.crt", "tls.key")}
    assert before.keys() == {"ca.crt", "ca.key", *of_parties}
    for name in before:
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == (0o600 if name.endswith(".key") else 0o644)
    make("--host", "channel", "--days", "2")
    assert {name for name, content in held().items() if content != before[name]} == {
        "channel/tls.crt",
        "channel/tls.key",
    }
    certificate = x509.load_pem_x509_certificate((tmp_path / "channel" / "tls.crt").read_bytes())
    assert (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days == 2
    names_in_it = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names_in_it.get_values_for_type(x509.DNSName) == ["channel", "localhost"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--host", "../x"], "'../x' is no name or address"),
        (["--host", ""], "'' is no name or address"),
        (["--client", "a b"], "'a b' is no name or address"),
    ],
)
def test_mistakes_with_names(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    failed = CliRunner().invoke(dev_ca, [str(tmp_path / "pki"), *arguments])
    assert isinstance(failed.exception, InvalidRequest)
    assert sentence in str(failed.exception)


def test_half_an_authority_is_not_overwritten(pki: Path, tmp_path: Path) -> None:
    (tmp_path / "ca.key").write_bytes((pki / "ca.key").read_bytes())
    failed = CliRunner().invoke(dev_ca, [str(tmp_path)])
    assert "holds no whole authority" in str(failed.exception)
    assert (tmp_path / "ca.key").read_bytes() == (pki / "ca.key").read_bytes()


def test_containers_are_given_what_the_authority_makes_for_each() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.tls.yml").read_text())["services"]
    kinds = {"transmitter": TransmitterSettings, "channel": ChannelSettings, "receiver": ReceiverSettings}
    assert services.keys() == {*kinds, "demo"}
    made = {"CA": "/tls/ca.crt", "CERT": "/tls/tls.crt", "KEY": "/tls/tls.key"}
    for name, given in services.items():
        folder, _, mounted = given["volumes"][0].rpartition("}/")[2].partition(":")
        assert (folder, mounted) == ("client" if name == "demo" else name, "/tls:ro")
        variables = {f"SDJSCC_TLS_{part}": file for part, file in made.items()}
        if name in kinds:
            prefix = str(kinds[name].model_config["env_prefix"])
            variables |= {f"{prefix}TLS_{part}": file for part, file in made.items()}
            assert {f"tls_{part.lower()}" for part in made} <= kinds[name].model_fields.keys()
        asked = {key: value for key, value in given["environment"].items() if key.endswith("_INSECURE")}
        assert list(asked.values()) == ["false"]
        assert given["environment"] == variables | asked


HEAD = "I1125 13:33:34.914580   27687 handshaker.cc:155] CallNextHandshakerLocked: error="
ARGUMENTS = "grpc.internal.endpoint_peer_address=ipv4:10.0.0.9:56344, grpc.internal.security_connector=0x1, "
SERVER = "grpc.internal.server_credentials=0x2"


@pytest.mark.parametrize(
    ("record", "logged"),
    [
        (f"{HEAD}OK shutdown=false index=1, args={{{ARGUMENTS}{SERVER}}}\n", None),
        (
            f"{HEAD}UNKNOWN: Ssl handshake failed: PEER_DID_NOT_RETURN_A_CERTIFICATE: x\n=== Source Location Trace: "
            f"===\nsrc/core/x.cc:68\n shutdown=false index=2, args={{{ARGUMENTS}{SERVER}}}\n",
            ("warning", "handshake refused", {"peer": "ipv4:10.0.0.9:56344", "reason": "it sent no certificate"}),
        ),
        (
            f"{HEAD}UNKNOWN: Tls handshake failed: what nobody foresaw shutdown=false index=2, args={{{ARGUMENTS}}}",
            (
                "warning",
                "handshake failed",
                {"peer": "ipv4:10.0.0.9:56344", "reason": "UNKNOWN: Tls handshake failed: what nobody foresaw"},
            ),
        ),
        ("I0000 00:00:1795613632.209446   25965 ssl_transport_security.cc:1884] Handshake failed with error X\n", None),
        (
            "E0000 00:00:1795613632.226487   25969 ssl_transport_security.cc:933] Invalid private key.\n",
            ("error", "grpc", {"text": "Invalid private key.", "at": "ssl_transport_security.cc"}),
        ),
        ("OMP: Warning #96\n", ("warning", "standard error", {"text": "OMP: Warning #96"})),
        ("\n", None),
    ],
)
def test_records_of_grpcs_core(record: str, logged: object) -> None:
    assert read_record(record) == logged


@pytest.mark.parametrize(
    ("details", "sentence"),
    [
        (
            "failed to connect to all addresses; last error: UNKNOWN: Tls handshake failed: SSL_ERROR_SSL: error:1: "
            "SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED: certificate has expired: OK",
            r"certificate of x:1 is refused \(certificate has expired\)",
        ),
        (
            "failed to connect to all addresses; last error: UNAVAILABLE: ipv4:1.2.3.4:1: Socket closed",
            "closed the conn",
        ),
        (
            "connections to all backends failing; last error: UNAVAILABLE: ipv4:1.2.3.4:1: Socket closed",
            "see its log, which says whom it refused",
        ),
        ("failed to connect to all addresses; last error: Connection refused", "^$"),
        ("Socket closed", "^$"),
    ],
)
def test_handshakes_that_fail_at_the_client_in_words(details: str, sentence: str) -> None:
    assert re.search(sentence, handshake_problem("x:1", details))
