"""The build hook that fetches chart libraries: what is checked, what is kept, what it says when it cannot."""

from __future__ import annotations

import io
import shutil
import tarfile
import tomllib
from pathlib import Path

import pytest

import hatch_build

WEB = Path(hatch_build.__file__).parent / "gateway" / "web"


def package_of(files: dict[str, bytes]) -> bytes:
    """An npm archive: every file below package/."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as package:
        for name, content in files.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            package.addfile(member, io.BytesIO(content))
    return archive.getvalue()


FILES = {"dist/thing.js": b"export const thing = 1;\n", "LICENSE": b"Do as you like.\n"}
ARCHIVE = package_of(FILES)


def manifest(archive: bytes = ARCHIVE, script: bytes = FILES["dist/thing.js"]) -> str:
    return f"""
[[library]]
name = "thing"
version = "1.0.0"
licence = "0BSD"
integrity = "{hatch_build.sri(archive)}"
[[library.file]]
from = "dist/thing.js"
file = "thing.js"
sha512 = "{hatch_build.sri(script)}"
[[library.file]]
from = "LICENSE"
file = "thing.LICENSE.txt"
sha512 = "{hatch_build.sri(FILES["LICENSE"])}"
"""


@pytest.fixture
def web(tmp_path, monkeypatch):
    """A web folder with a manifest, and a registry that has one archive; counts what is asked of it."""
    monkeypatch.delenv("QHATU_WITHOUT_CHARTS", raising=False)
    (tmp_path / "vendor.toml").write_text(manifest(), "utf-8")
    asked = []

    def npm(name, version):
        """npm pack"""
        asked.append((name, version))
        return ARCHIVE

    def https(name, version):
        """npm registry by HTTPS"""
        raise OSError("no route to host")

    monkeypatch.setattr(hatch_build, "_by_npm", npm)
    monkeypatch.setattr(hatch_build, "_by_https", https)
    return tmp_path, asked


def test_files_are_fetched_once_and_kept(web):
    folder, asked = web
    assert hatch_build.fetch_libraries(folder) == ["thing 1.0.0"]
    assert (folder / "vendor/thing.js").read_bytes() == FILES["dist/thing.js"]
    assert (folder / "vendor/thing.LICENSE.txt").read_bytes() == FILES["LICENSE"]
    assert hatch_build.fetch_libraries(folder) == []
    assert asked == [("thing", "1.0.0")]


def test_a_changed_file_is_fetched_again(web):
    folder, asked = web
    hatch_build.fetch_libraries(folder)
    (folder / "vendor/thing.js").write_bytes(b"export const thing = 2;\n")
    assert hatch_build.fetch_libraries(folder) == ["thing 1.0.0"]
    assert (folder / "vendor/thing.js").read_bytes() == FILES["dist/thing.js"]
    assert len(asked) == 2


def test_another_archive_is_refused_and_nothing_is_written(web):
    folder, _ = web
    (folder / "vendor.toml").write_text(manifest(archive=b"something else"), "utf-8")
    with pytest.raises(hatch_build.FetchError) as refusal:
        hatch_build.fetch_libraries(folder)
    text = str(refusal.value)
    assert "thing 1.0.0" in text and "npm pack: got sha512-" in text and "no route to host" in text
    assert "QHATU_WITHOUT_CHARTS" in text and "npm_config_registry" in text
    assert not (folder / "vendor").exists()


def test_another_file_in_the_right_archive_is_refused(web):
    folder, _ = web
    (folder / "vendor.toml").write_text(manifest(script=b"other"), "utf-8")
    with pytest.raises(hatch_build.FetchError, match=r"dist/thing\.js"):
        hatch_build.fetch_libraries(folder)
    assert not (folder / "vendor").exists()


def test_a_build_may_go_without_charts(web, monkeypatch):
    folder, asked = web
    monkeypatch.setenv("QHATU_WITHOUT_CHARTS", "1")
    assert hatch_build.fetch_libraries(folder) == [] and asked == []


def test_the_registry_is_npms_own_setting(monkeypatch, tmp_path):
    for name in ("npm_config_registry", "NPM_CONFIG_REGISTRY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert hatch_build._registry() == "https://registry.npmjs.org/"
    (tmp_path / ".npmrc").write_text("cafile=/x\nregistry = https://mirror.example/npm/\n", "utf-8")
    assert hatch_build._registry() == "https://mirror.example/npm/"
    monkeypatch.setenv("npm_config_registry", "https://other.example/")
    assert hatch_build._registry() == "https://other.example/"


def test_every_library_ships_with_its_licence():
    for library in tomllib.loads((WEB / "vendor.toml").read_text("utf-8"))["library"]:
        assert library["licence"] in ("MIT", "Apache-2.0")
        assert any(file["from"] == "LICENSE" for file in library["file"])


def test_what_is_installed_is_what_is_pinned(tmp_path, monkeypatch):
    """The files beside this source tree, when they were built, are the manifest's; a copy needs no fetch."""
    if not (WEB / "vendor").is_dir():
        pytest.skip("this tree was built without charts")
    shutil.copytree(WEB / "vendor", tmp_path / "vendor")
    shutil.copy(WEB / "vendor.toml", tmp_path)

    def never(library):
        raise AssertionError(f"{library['name']} is not the pinned one")

    monkeypatch.setattr(hatch_build, "_package", never)
    monkeypatch.delenv("QHATU_WITHOUT_CHARTS", raising=False)
    assert hatch_build.fetch_libraries(tmp_path) == []
