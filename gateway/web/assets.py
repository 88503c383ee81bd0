"""The page's files on the wire: content types, strong ETags, compressed once at start, one content hash in every path.

`GET /` is the page itself, checked at every visit. All else lies under `/static/<hash>/`, where <hash> is taken over
every file, so that one file may import another by a plain relative path and a browser may keep them for ever.

The security policy admits scripts and styles of this origin alone. Its one exception is a hash: the constant <style>
element that the price chart's attribution logo brings (vendor.toml).
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

WEB = Path(__file__).resolve().parent
CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
KEEP_FOR_EVER = "public, max-age=31536000, immutable"
ASK_EVERY_TIME = "no-cache"
PAGE = "index.html"


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as it is sent. `plain_etag` and `gzip_etag` are strong: one for each form of the bytes."""

    path: str  # under the web folder, "/" between names
    content_type: str
    cache_control: str
    plain: bytes
    gzipped: bytes | None  # None where compression gains nothing
    plain_etag: str
    gzip_etag: str


@dataclass(frozen=True, slots=True)
class Site:
    """Every asset by its path, the hash that stands in their addresses, and the policy they are served under."""

    assets: dict[str, Asset]
    version: str
    policy: str


def load_site(folder: Path = WEB) -> Site:
    """Read, hash and compress everything once. A chart library whose hash is not the pinned one is left out."""
    manifest = tomllib.loads((folder / "vendor.toml").read_text("utf-8"))
    contents = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix in CONTENT_TYPES and path.parent != folder / "vendor"
    }
    charts = []
    for library in manifest["library"]:
        files = {f"vendor/{file['file']}": file["sha512"] for file in library["file"]}
        found = {name: (folder / name).read_bytes() for name in files if (folder / name).is_file()}
        if all(name in found and _sri("sha512", found[name]) == wanted for name, wanted in files.items()):
            contents |= found
            charts.append(library)
    page = contents.pop(PAGE)
    version = _tree_hash(contents)
    page = page.replace(b"{version}", version.encode())
    page = page.replace(b"{charts}", " ".join(library["name"] for library in charts).encode())
    assets = {name: _asset(name, content, KEEP_FOR_EVER) for name, content in contents.items()}
    assets[PAGE] = _asset(PAGE, page, ASK_EVERY_TIME)
    return Site(assets, version, _policy([library["style_sha256"] for library in charts if "style_sha256" in library]))


def add_routes(app: web.Application, folder: Path = WEB) -> None:
    """Serve the page at `/` and its files below `/static/`. Headers set here are meant to be kept as they are."""
    site = load_site(folder)

    async def page(request: web.Request) -> web.Response:
        return _answer(request, site, site.assets[PAGE])

    async def static(request: web.Request) -> web.Response:
        asset = site.assets.get(request.match_info["path"])
        if asset is None or asset.path == PAGE or request.match_info["version"] != site.version:
            raise web.HTTPNotFound(text="no such file\n", headers={"Cache-Control": ASK_EVERY_TIME})
        return _answer(request, site, asset)

    app.router.add_get("/", page)
    app.router.add_get("/static/{version}/{path:.+}", static)


def _answer(request: web.Request, site: Site, asset: Asset) -> web.Response:
    zipped = asset.gzipped is not None and "gzip" in request.headers.get("Accept-Encoding", "")
    etag = asset.gzip_etag if zipped else asset.plain_etag
    headers = {
        "Cache-Control": asset.cache_control,
        "Content-Security-Policy": site.policy,
        "ETag": f'"{etag}"',
        "Referrer-Policy": "no-referrer",
        "Vary": "Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
    known = request.if_none_match
    if known is not None and any(tag.value in (etag, "*") for tag in known):
        return web.Response(status=304, headers=headers)
    headers["Content-Type"] = asset.content_type
    if zipped:
        headers["Content-Encoding"] = "gzip"
        return web.Response(body=asset.gzipped, headers=headers)
    return web.Response(body=asset.plain, headers=headers)


def _asset(name: str, content: bytes, cache_control: str) -> Asset:
    gzipped = gzip.compress(content, 9, mtime=0)
    etag = hashlib.blake2b(content, digest_size=12).hexdigest()
    return Asset(
        path=name,
        content_type=CONTENT_TYPES[Path(name).suffix],
        cache_control=cache_control,
        plain=content,
        gzipped=gzipped if len(gzipped) < len(content) else None,
        plain_etag=etag,
        gzip_etag=f"{etag}-gz",
    )


def _tree_hash(contents: dict[str, bytes]) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for name, content in sorted(contents.items()):
        digest.update(name.encode() + b"\0" + len(content).to_bytes(8, "little") + content)
    return digest.hexdigest()


def _policy(style_hashes: list[str]) -> str:
    styles = " ".join(["'self'", *(f"'{value}'" for value in style_hashes)])
    return (
        f"default-src 'self'; style-src {styles}; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    )


def _sri(kind: str, content: bytes) -> str:
    return f"{kind}-" + base64.b64encode(hashlib.new(kind, content).digest()).decode()
