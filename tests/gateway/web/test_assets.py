"""The page's files on the wire: types, hashes, compression, policy, and what is left out."""

from __future__ import annotations

import gzip
import json
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
    path = f"/static/{version}/js/texts/en/page.js"
    zipped = await venue.get(path, headers={"Accept-Encoding": "gzip"})
    plain = await venue.get(path, headers={"Accept-Encoding": "identity"})
    assert zipped.headers["Content-Encoding"] == "gzip" and "Content-Encoding" not in plain.headers
    assert await zipped.read() == await plain.read() == (WEB / "js/texts/en/page.js").read_bytes()
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


IMPORT = re.compile(r"""^(?:import|export)\b[^;]*?from\s+"(\.[^"]+)";""", re.M)
DYNAMIC = re.compile(r"""\bimport\("(\.[^"]+)"\)""")
LANGUAGES = ("en", "es")


def loaded_with(name: str) -> set[str]:
    """The module and all that it imports by the time it runs, as paths below the page's folder."""
    found: set[str] = set()
    waiting = [WEB / name]
    while waiting:
        path = waiting.pop()
        if path.relative_to(WEB).as_posix() not in found:
            found.add(path.relative_to(WEB).as_posix())
            waiting += [(path.parent / other).resolve() for other in IMPORT.findall(path.read_text("utf-8"))]
    return found


def texts(language: str, name: str) -> dict[str, str]:
    body = (WEB / f"js/texts/{language}/{name}.js").read_text("utf-8")
    found = re.findall(r'^  ("[^"]+"): (".*"),$', body, re.M)
    assert len(found) == len(re.findall(r"^  ", body, re.M)), "one text a line"
    assert len({key for key, _ in found}) == len(found), "each once"
    return {json.loads(key): json.loads(text) for key, text in found}


def test_the_first_view_stays_within_its_budget():
    """What the market's view loads: the page, its style, main.js with all it imports, the longer language."""
    site = load_site()
    sizes = {name: len(asset.gzipped or asset.plain) for name, asset in site.assets.items()}
    language = max((f"js/texts/{code}/page.js" for code in LANGUAGES), key=sizes.__getitem__)
    first = {"index.html", "page.css", "icon.svg", language} | loaded_with("js/main.js")
    assert "js/views/ticket.js" in first and "js/views/operator.js" not in first
    assert sum(sizes[name] for name in first) < 65_000
    assert sum(size for name, size in sizes.items() if name.startswith("vendor/")) < 100_000
    page = site.assets["index.html"]
    assert gzip.decompress(page.gzipped) == page.plain


def test_each_later_view_stays_within_its_budget():
    sizes = {name: len(asset.gzipped or asset.plain) for name, asset in load_site().assets.items()}
    first = loaded_with("js/main.js")
    later = {
        (path.parent / other).resolve().relative_to(WEB).as_posix()
        for path in WEB.glob("js/**/*.js")
        for other in DYNAMIC.findall(path.read_text("utf-8"))
    }
    assert len(later) >= 2 and not later & first
    for view in later:
        assert sum(sizes[name] for name in loaded_with(view) - first) < 20_000, view


def test_both_languages_have_every_text():
    files = sorted(path.name for path in WEB.glob("js/texts/en/*.js"))
    assert files == sorted(path.name for path in WEB.glob("js/texts/es/*.js")) and "page.js" in files
    seen: set[str] = set()
    for file in files:
        one, other = (texts(code, file.removesuffix(".js")) for code in LANGUAGES)
        assert one.keys() == other.keys(), one.keys() ^ other.keys()
        assert not seen & one.keys(), "a key stands in one file"
        seen |= one.keys()
        for key in one:
            names = [sorted(re.findall(r"\{\w+\}", text)) for text in (one[key], other[key])]
            assert set(names[0]) == set(names[1]), key
