"""The configuration of a node: an unknown or unsuitable entry gets one sentence."""

import sys

import pytest
from MVCTEnhanceLib.errors import InputError
from MVCTEnhanceLib.io.dicom.header import read_header
from MVCTEnhanceLib.node.config import Accepted, read_node

GOOD = """
[node]
ae_title = "MVCTENHANCE"
storage = "spool"
[[allow]]
ae_title = "SCANNER"
[[accept]]
manufacturer = "TomoTherapy"
[[send_to]]
ae_title = "PACS"
host = "127.0.0.1"
port = 11113
"""


@pytest.fixture
def read(tmp_path):
    """Function: the configuration of a text."""

    def read(text):
        (tmp_path / "node.toml").write_text(text, encoding="utf-8")
        return read_node(tmp_path / "node.toml")

    return read


def test_what_is_not_said_has_its_default_and_paths_are_relative_to_the_file(read, tmp_path):
    config = read(GOOD + "[watch]\nfolder = 'in'\n")
    assert (config.node.host, config.node.port, config.node.quiet_s) == ("127.0.0.1", 11112, 30.0)
    assert config.node.send_untrusted is False
    assert (config.storage, config.watch.folder) == (tmp_path / "spool", str(tmp_path / "in"))
    assert config.tls is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("port = 11113", "port = 0"), "port in [[send_to]] is 0: give a number from 1 to 65535."),
        (("port = 11113", 'port = "11113"'), "The setting 'port' in [[send_to]]"),
        (("port = 11113", ""), "The setting 'port' is missing in [[send_to]]"),
        (('storage = "spool"', 'storage = "spool"\nquite_s = 3'), "There is no setting 'quite_s' in [node]"),
        (('storage = "spool"', 'storage = ""'), "storage in [node] is empty"),
        (('storage = "spool"', 'storage = "spool"\nquiet_s = nan'), "quiet_s in [node] is nan"),
        (('"MVCTENHANCE"', '"ONE TITLE TOO LONG"'), "ae_title in [node] is 'ONE TITLE TOO LONG'"),
        (('storage = "spool"', 'storage = "spool"\nreport = "html"'), "report in [node] is 'html': give 'pdf'"),
        (("[[allow]]", "[allow]"), "[allow] of '"),
        (('[[allow]]\nae_title = "SCANNER"', ""), "There is neither [[allow]] nor [watch]"),
        (('manufacturer = "TomoTherapy"', ""), "An [[accept]] is empty, so that planning CTs would be enhanced"),
        (('[[accept]]\nmanufacturer = "TomoTherapy"', ""), "'accept' is missing"),
        (("port = 11113", "port = 11113\ntls = true"), "there is no [tls]"),
        (
            ("[[accept]]", "[limits]\nslices = 0\n[[accept]]"),
            "slices in [limits] is 0: give a number from 1 to 100000.",
        ),
        (("[node]", "[nodes]\n[node]"), "There is no setting 'nodes'"),
        (("[node]", "[node"), "cannot be read as TOML"),
    ],
)
def test_wrong_entry_is_refused_in_one_sentence(read, change, words):
    with pytest.raises(InputError) as refused:
        read(GOOD.replace(*change, 1))
    assert words in str(refused.value)
    assert str(refused.value).endswith(".")


def test_command_refuses_a_wrong_file_before_it_begins(main, tmp_path, assert_refused):
    (tmp_path / "node.toml").write_text(GOOD.replace("[[allow]]", "[[allowed]]"), encoding="utf-8")
    for more in ((), ("--status",), ("--retry",)):
        assert_refused(main("serve", tmp_path / "node.toml", *more), "There is no setting 'allowed'")


@pytest.mark.integration
def test_missing_package_is_named_with_the_way_to_get_it(run, tmp_path, assert_refused):
    (tmp_path / "node.toml").write_text(GOOD, encoding="utf-8")
    code = "import sys; sys.modules['pynetdicom'] = None; from MVCTEnhanceLib.cli import program; program.command()"
    assert_refused(run("serve", tmp_path / "node.toml", python=("-c", code)), "pip install pynetdicom")


def test_report_as_pdf_is_refused_where_it_cannot_be_made(main, tmp_path, monkeypatch, assert_refused):
    pytest.importorskip("pynetdicom")
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    text = GOOD.replace('storage = "spool"', 'storage = "spool"\nreport = "pdf"')
    (tmp_path / "node.toml").write_text(text, encoding="utf-8")
    assert_refused(main("serve", tmp_path / "node.toml"), "pip install weasyprint")


@pytest.mark.parametrize(
    ("kind", "fits"),
    [
        ({"manufacturer": "tomotherapy"}, True),
        ({"manufacturer": "Siemens"}, False),
        ({"manufacturer": "TomoTherapy", "kvp_above": 1000.0}, True),
        ({"kvp_above": 4000.0}, False),
        ({"station": "UNIT-2"}, False),
    ],
)
def test_scan_is_known_by_what_its_header_says(read, scan_folder, kind, fits):
    headers = [read_header(path) for path in scan_folder.iterdir()]
    assert all(map(Accepted(**kind).fits, headers)) is fits


def test_kilovoltage_scan_and_output_of_this_program_are_never_enhanced(read, scan_folder, with_texts, tmp_path):
    import shutil

    config = read(GOOD)
    assert config.takes([read_header(path) for path in scan_folder.iterdir()])
    shutil.copytree(scan_folder, tmp_path / "kv")
    with_texts(tmp_path / "kv", {"KVP": "120"})
    assert not config.takes([read_header(path) for path in (tmp_path / "kv").iterdir()])
    assert not config.takes([])
