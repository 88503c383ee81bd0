"""Build hook: fetch the chart libraries of the page, pinned and checked, into gateway/web/vendor/.

Runs for wheels, source archives and editable installs. `gateway/web/vendor.toml` names each package, its files and
their SHA-512. Files that are there with the right hash are kept and nothing is fetched. Otherwise the package comes
from `npm pack` where npm is installed, or from the npm registry by HTTPS ($npm_config_registry, the registry of
~/.npmrc, or registry.npmjs.org). QHATU_WITHOUT_CHARTS=1 builds without them: the page then shows everything but
charts. `python hatch_build.py` does the same by hand.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import tomllib
import urllib.request
from pathlib import Path

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run by hand, outside a build
    BuildHookInterface = object  # type: ignore[assignment, misc]

WEB = Path(__file__).resolve().parent / "gateway" / "web"
REGISTRY = "https://registry.npmjs.org/"
FETCH_SECONDS_MAX = 60
PACKAGE_BYTES_MAX = 8 * 1024 * 1024


class FetchError(Exception):
    """A library could not be had, or is not the one that was pinned."""


class ChartLibraries(BuildHookInterface):
    """Hatchling's custom hook; registered in pyproject.toml under [tool.hatch.build.hooks.custom]."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict) -> None:
        fetch_libraries(WEB)


def fetch_libraries(web: Path) -> list[str]:
    """Bring `web`/vendor to what `web`/vendor.toml says; the names of the packages that were fetched.

    Raises FetchError with every way that was tried, unless QHATU_WITHOUT_CHARTS is set.
    """
    fetched = []
    for library in tomllib.loads((web / "vendor.toml").read_text("utf-8"))["library"]:
        if all(_is_there(web / "vendor", file) for file in library["file"]):
            continue
        if os.environ.get("QHATU_WITHOUT_CHARTS"):
            continue
        files = _unpack(library, _package(library))
        (web / "vendor").mkdir(exist_ok=True)
        for name, content in files.items():
            (web / "vendor" / name).write_bytes(content)
        fetched.append(f"{library['name']} {library['version']}")
    return fetched


def sri(content: bytes) -> str:
    return "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()


def _is_there(vendor: Path, file: dict) -> bool:
    path = vendor / file["file"]
    return path.is_file() and sri(path.read_bytes()) == file["sha512"]


def _package(library: dict) -> bytes:
    """The package's archive, its integrity checked. Raises FetchError."""
    tried = []
    for way in (_by_npm, _by_https):
        try:
            archive = way(library["name"], library["version"])
        except (OSError, subprocess.SubprocessError, FetchError) as error:
            tried.append(f"  {way.__doc__}: {error}")
            continue
        if sri(archive) == library["integrity"]:
            return archive
        tried.append(f"  {way.__doc__}: got {sri(archive)}, wanted {library['integrity']}")
    raise FetchError(
        f"Chart library {library['name']} {library['version']} could not be fetched:\n" + "\n".join(tried) + "\n"
        "Set npm_config_registry to a registry that can be reached, put the files of gateway/web/vendor.toml into "
        "gateway/web/vendor/, or set QHATU_WITHOUT_CHARTS=1 to build a page without charts."
    )


def _by_npm(name: str, version: str) -> bytes:
    """npm pack"""
    npm = shutil.which("npm")
    if npm is None:
        raise FetchError("npm is not installed")
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [npm, "pack", f"{name}@{version}", "--ignore-scripts", "--silent", "--fetch-retries=0"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=FETCH_SECONDS_MAX,
        )
        archives = list(Path(folder).glob("*.tgz"))
        if done.returncode or not archives:
            raise FetchError(f"npm ended with {done.returncode}: {done.stderr.strip()[-300:]}")
        return archives[0].read_bytes()


def _by_https(name: str, version: str) -> bytes:
    """npm registry by HTTPS"""
    address = f"{_registry().rstrip('/')}/{name}/-/{name}-{version}.tgz"
    if not address.startswith(("https://", "http://")):
        raise FetchError(f"{address} is no web address")
    with urllib.request.urlopen(address, timeout=FETCH_SECONDS_MAX) as answer:
        return answer.read(PACKAGE_BYTES_MAX)


def _registry() -> str:
    """npm's own setting: the environment, then `registry = ...` in ~/.npmrc, then the public registry."""
    for name in ("npm_config_registry", "NPM_CONFIG_REGISTRY"):
        if os.environ.get(name):
            return os.environ[name]
    try:
        settings = (Path.home() / ".npmrc").read_text("utf-8")
    except OSError:
        return REGISTRY
    found = re.search(r"^\s*registry\s*=\s*(\S+)", settings, re.MULTILINE)
    return found[1] if found else REGISTRY


def _unpack(library: dict, archive: bytes) -> dict[str, bytes]:
    """The wanted files of an npm archive (all below `package/`), each checked. Raises FetchError."""
    files = {}
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as package:
        for file in library["file"]:
            try:
                member = package.extractfile(f"package/{file['from']}")
            except KeyError:
                member = None
            if member is None:
                raise FetchError(f"{library['name']} {library['version']} has no file {file['from']}")
            content = member.read()
            if sri(content) != file["sha512"]:
                raise FetchError(f"{library['name']} {file['from']}: got {sri(content)}, wanted {file['sha512']}")
            files[file["file"]] = content
    return files


if __name__ == "__main__":
    print("\n".join(fetch_libraries(WEB)) or "all chart libraries are there")
