"""What a job on a simulated card says that it took, whatever else it writes there."""

import pytest

from nvinx.leases.said_peaks import SaidPeaks


@pytest.fixture
def said(tmp_path):
    return SaidPeaks(tmp_path)


@pytest.mark.parametrize(("text", "mib"), [("900", 858), ("900.5\n", 858), ("2", 1)])
def test_a_number_of_mb_is_its_peak(said, text, mib):
    said.file("job").write_text(text)

    assert said.take("job") == mib


@pytest.mark.parametrize("text", ["", "much", "-1", "0", "nan", "inf", "1e300", "9" * 400, "\xff"])
def test_what_is_no_size_says_nothing(said, text):
    said.file("job").write_text(text, encoding="latin-1")

    assert said.take("job") is None
    assert not said.file("job").exists()


def test_it_is_taken_once(said):
    said.file("job").write_text("900")

    assert said.take("job")
    assert said.take("job") is None


def test_a_link_is_not_followed(said, tmp_path):
    (tmp_path / "other").write_text("900")
    said.file("job").symlink_to(tmp_path / "other")

    assert said.take("job") is None
