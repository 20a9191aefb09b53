"""What docs/node.md gives to be copied: the configuration has every setting there is, and systemd takes the unit."""

import re
import shutil
import subprocess
from dataclasses import fields

import pytest
from MVCTEnhanceLib.node import config

DOCUMENT = "docs/node.md"


@pytest.fixture
def block(request):
    """Function (language): the first block of the document in it."""
    text = (request.config.rootpath / DOCUMENT).read_text(encoding="utf-8")
    return lambda language: re.search(rf"```{language}\n(.*?)```", text, re.DOTALL)[1]


def test_configuration_is_read_as_it_stands_and_with_every_setting(block, tmp_path):
    (tmp_path / "node.toml").write_text(block("toml"), encoding="utf-8")
    plain = config.read_node(tmp_path / "node.toml")
    assert (plain.node.difference, plain.tls, plain.watch) == (False, None, None)
    whole = re.sub(r"^# (?=\[|\w+ = )", "", block("toml"), flags=re.MULTILINE)
    (tmp_path / "node.toml").write_text(whole, encoding="utf-8")
    read = config.read_node(tmp_path / "node.toml")
    assert (read.node.difference, read.node.report, read.send_to[0].tls) == (True, "pdf", True)
    assert read.limits == config.Limits()  # the defaults that it names
    for section in (config.Node, config.Allowed, config.Destination, config.Tls, config.Limits, config.Watch):
        assert [item.name for item in fields(section) if not re.search(rf"^{item.name} = ", whole, re.MULTILINE)] == []
    assert all(item.name in whole for item in fields(config.Accepted))


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_systemd_takes_the_unit(block, tmp_path):
    unit = tmp_path / "mvct-enhance.service"
    unit.write_text(block("ini").replace("/opt/mvct/bin/mvct-enhance", "/bin/true"), encoding="utf-8")
    told = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, timeout=300)
    assert (told.returncode, [line for line in told.stderr.splitlines() if unit.name in line]) == (0, [])
