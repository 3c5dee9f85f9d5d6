# SPDX-License-Identifier: Apache-2.0
"""The register map and all that is written from it."""

import re
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from gatewright.errors import DataError, DeviceError
from gatewright.lower.sources import library
from gatewright.shell import c_header, decoder, kernel_xml, markdown
from gatewright.shell.driver import Registers
from gatewright.shell.registers import IDENTITY, MAP, Access, arguments, fields, signal


class Memory:
    """A bus that keeps what is written."""

    def __init__(self) -> None:
        self.words: dict[int, int] = {}

    def read(self, offset: int) -> int:
        return self.words.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        self.words[offset] = value


def test_the_map_is_sound() -> None:
    names = [signal(r, f) for r, f in fields()]
    assert len(set(names)) == len(names)
    words: dict[int, str] = {}
    for register in MAP:
        assert register.offset % 4 == 0 and register.offset + 4 * register.words <= 1 << 8 and register.note
        for word in range(register.words):
            assert words.setdefault(register.offset + 4 * word, register.name) == register.name
        used = 0
        for field in register.fields:
            bits = ((1 << field.bits) - 1) << field.low
            assert not used & bits and bits < 1 << register.bits, f"{register.name}.{field.name}"
            used |= bits
    assert [r.offset for r in MAP] == sorted(r.offset for r in MAP)


def test_ap_ctrl_hs_is_where_xrt_expects_it() -> None:
    control = MAP[0]
    assert (control.name, control.offset) == ("control", 0)
    assert {f.name: f.low for f in control.fields} == {"start": 0, "done": 1, "idle": 2, "ready": 3, "auto_restart": 7}
    assert [r.offset for r in MAP[1:4]] == [4, 8, 12]


def test_the_decoder_is_what_the_map_says() -> None:
    """After a change of the map: write `decoder.text()` into the file."""
    assert library()["shell_registers"].read_text() == decoder.text()


def test_the_c_header_compiles_and_agrees(tmp_path: Path) -> None:
    (tmp_path / "registers.h").write_text(c_header.text())
    checks = []
    for register, field in fields():
        checks.append(f'_Static_assert(GW_{register.name.upper()} == {register.offset}, "offset");')
        if field.name:
            name = f"GW_{signal(register, field).upper()}"
            mask = ((1 << field.bits) - 1) << field.low
            checks.append(f'_Static_assert({name}_MASK == {mask}u && {name}_SHIFT == {field.low}, "{name}");')
    (tmp_path / "check.c").write_text('#include "registers.h"\n' + "\n".join(checks) + "\n")
    subprocess.run(["gcc", "-std=c11", "-Wall", "-Werror", "-c", "check.c"], cwd=tmp_path, check=True)


def test_kernel_xml() -> None:
    root = ElementTree.fromstring(kernel_xml.text("accel"))
    kernel = root.find("kernel")
    assert kernel is not None and kernel.get("name") == "accel" and kernel.get("hwControlProtocol") == "ap_ctrl_hs"
    ports = {p.get("name"): p for p in kernel.iter("port")}
    args = list(kernel.iter("arg"))
    assert [a.get("name") for a in args] == [r.name for r in arguments()] and len(args) >= 6
    for number, (arg, register) in enumerate(zip(args, arguments(), strict=True)):
        assert arg.get("id") == str(number) and int(str(arg.get("offset")), 16) == register.offset
        assert int(str(arg.get("size")), 16) == register.bits // 8 and arg.get("port") in ports
        assert (arg.get("addressQualifier") == "1") == (ports[arg.get("port")].get("mode") == "master")


def test_the_page_names_every_field() -> None:
    page = markdown.text()
    for register, field in fields():
        assert f"| `{register.name}` |" in page and field.note in page
        assert re.search(rf"\| 0x{register.offset:02x} \| `{register.name}` \|", page)


def test_driver() -> None:
    bus = Memory()
    registers = Registers(bus)
    registers.write("input_address", 0x1_2345_6789)
    assert bus.words[0x10] == 0x2345_6789 and bus.words[0x14] == 1 and registers.read("input_address") == 0x1_2345_6789
    registers.write("errors.link_crc", 1)
    assert registers.errors() == ["link_crc"] and registers.read("errors.link_crc") == 1
    bus.words[0x50] = 1 << 31 | 2 << 8 | 5
    assert registers.fields("rejected") == {"tag": 5, "cause": 2, "valid": 1}
    assert "cycles" in dir(registers)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("speed", 1, "register speed: does not exist.*\n.*cycles"),
        ("control.go", 1, "register control: has no field go.*\n.*start, done"),
        ("control.start", 2, "value 2.*\n.*0 to 1"),
        ("sequences", 1 << 32, "value 4294967296"),
    ],
)
def test_driver_refuses(name: str, value: int, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Registers(Memory()).write(name, value)


def test_another_device_is_noticed() -> None:
    bus = Memory()
    registers = Registers(bus)
    with pytest.raises(DeviceError, match="identity: reads 0x00000000"):
        registers.check()
    bus.words[0x78] = IDENTITY
    registers.check()
    with pytest.raises(DeviceError, match="holds design 0000000000000000"):
        registers.check(7)


def test_every_access_is_used() -> None:
    """What the decoder can do, the map asks for: nothing is untested."""
    assert {f.access for _, f in fields()} == set(Access)
