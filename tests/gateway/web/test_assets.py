"""The page's files on the wire: types, hashes, compression, policy, and what is left out."""

from __future__ import annotations

import gzip
import re
import shutil
from pathlib import Path

import pytest
from aiohttp import web

from gateway.web.assets import CONTENT_TYPES, WEB, add_routes, load_site


@pytest.fixture
def client(aiohttp_client):
    async def make(folder: Path = WEB):
        app = web.Application()
        add_routes(app, folder)
        return await aiohttp_client(app)

    return make


def version_of(text: str) -> str:
    return re.search(r'src="static/([0-9a-f]{16})/js/main\.js"', text)[1]


async def test_the_page_names_its_files_by_one_hash(client):
    venue = await client()
    answer = await venue.get("/")
    text = await answer.text()
    assert answer.status == 200 and answer.content_type == "text/html"
    assert answer.headers["Cache-Control"] == "no-cache"
    for address in re.findall(r'(?:src|href)="(static/[^"]+)"', text):
        file = await venue.get(f"/{address}")
        assert file.status == 200, address
        assert "immutable" in file.headers["Cache-Control"]
        assert file.headers["Content-Type"] == CONTENT_TYPES[Path(address).suffix]
        assert file.headers["X-Content-Type-Options"] == "nosniff"


async def test_nothing_in_the_page_needs_an_inline_script_or_style(client):
    venue = await client()
    answer = await venue.get("/")
    text = await answer.text()
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'self';") and "unsafe" not in policy and "http" not in policy
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|https?://", text)
    for source in WEB.glob("js/**/*.js"):
        code = source.read_text("utf-8")
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|\beval\(|new Function|document\.write", code), (
            source
        )


async def test_compressed_where_it_is_asked_for(client):
    venue = await client()
    version = version_of(await (await venue.get("/")).text())
    path = f"/static/{version}/js/strings.js"
    zipped = await venue.get(path, headers={"Accept-Encoding": "gzip"})
    plain = await venue.get(path, headers={"Accept-Encoding": "identity"})
    assert zipped.headers["Content-Encoding"] == "gzip" and "Content-Encoding" not in plain.headers
    assert await zipped.read() == await plain.read() == (WEB / "js/strings.js").read_bytes()
    assert zipped.headers["ETag"] != plain.headers["ETag"], "a strong tag names bytes, not content"
    assert zipped.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding"


async def test_what_has_not_changed_is_not_sent_again(client):
    venue = await client()
    for path in ("/", f"/static/{version_of(await (await venue.get('/')).text())}/page.css"):
        first = await venue.get(path)
        assert re.fullmatch(r'"[0-9a-f]{24}(-gz)?"', first.headers["ETag"])
        again = await venue.get(path, headers={"If-None-Match": first.headers["ETag"]})
        assert again.status == 304 and await again.read() == b""
        other = await venue.get(path, headers={"If-None-Match": '"another"'})
        assert other.status == 200


@pytest.mark.parametrize(
    "path",
    [
        "js/missing.js",
        "assets.py",
        "vendor.toml",
        "__init__.py",
        "../settings.py",
        "%2e%2e/settings.py",
        "index.html",
        "js/",
    ],
)
async def test_only_the_pages_own_files_are_served(client, path):
    venue = await client()
    version = version_of(await (await venue.get("/")).text())
    assert (await venue.get(f"/static/{version}/{path}")).status == 404
    assert (await venue.get("/static/0000000000000000/page.css")).status == 404


def copy_of_the_page(tmp_path: Path) -> Path:
    return Path(shutil.copytree(WEB, tmp_path / "web", ignore=shutil.ignore_patterns("__pycache__")))


def test_every_change_of_a_file_changes_every_address(tmp_path):
    folder = copy_of_the_page(tmp_path)
    before = load_site(folder).version
    (folder / "js/dom.js").write_text((folder / "js/dom.js").read_text("utf-8") + "\n", "utf-8")
    assert load_site(folder).version != before


@pytest.mark.parametrize("harm", ["missing", "changed"])
def test_a_chart_library_that_is_not_the_pinned_one_is_left_out(tmp_path, harm):
    folder = copy_of_the_page(tmp_path)
    library = folder / "vendor/lightweight-charts.js"
    if harm == "missing":
        library.unlink(missing_ok=True)
    else:
        library.parent.mkdir(exist_ok=True)
        library.write_text("alert(1)", "utf-8")
    site = load_site(folder)
    assert not any("lightweight" in name for name in site.assets)
    assert b"lightweight-charts" not in site.assets["index.html"].plain
    assert "sha256-" not in site.policy, "without the library the policy has no exception"


def test_the_first_view_stays_within_its_budget():
    """100 KB compressed before any chart library; the two libraries together stay below 100 KB too."""
    site = load_site()
    sizes = {name: len(asset.gzipped or asset.plain) for name, asset in site.assets.items()}
    assert sum(size for name, size in sizes.items() if not name.startswith("vendor/")) < 75_000
    assert sum(size for name, size in sizes.items() if name.startswith("vendor/")) < 100_000
    page = site.assets["index.html"]
    assert gzip.decompress(page.gzipped) == page.plain
