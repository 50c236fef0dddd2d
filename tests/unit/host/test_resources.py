"""What the machine has, read without the library that takes longer to load than to ask."""

from pathlib import Path

import psutil
import pytest

from nvinx.host import resources, statedir
from nvinx.sizes import MIB


def test_the_machines_ram_is_what_everybody_else_says():
    assert resources.detect().ram_mib == psutil.virtual_memory().total // MIB


def test_the_ram_that_is_left_is_what_everybody_else_says():
    assert resources.ram_left_mib() == pytest.approx(
        psutil.virtual_memory().available // MIB, rel=0.2
    )


def test_each_mounted_folder_lies_on_the_file_system_that_everybody_else_says():
    said = {p.mountpoint: p.fstype for p in psutil.disk_partitions(all=True)}
    seen = {place: statedir.file_system(Path(place)) for place in said if Path(place).is_dir()}
    assert seen
    assert seen == {place: said[place] for place in seen}


def test_a_blank_in_the_name_of_a_mounted_folder_is_a_blank(tmp_path):
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "/dev/sdb1 /media/my\\040disk ext4 rw,relatime 0 0\nhost:/x /nfs nfs4 rw 0 0\n"
    )
    assert statedir.mounts(mounts) == {Path("/media/my disk"): "ext4", Path("/nfs"): "nfs4"}
