"""Names of countries as files of lots spell them, and their ISO 3166-1 alpha-2 codes."""

from __future__ import annotations

COUNTRIES: dict[str, str] = {
    "angola": "AO", "bolivia": "BO", "brazil": "BR", "burundi": "BI", "cameroon": "CM", "china": "CN",
    "colombia": "CO", "costa rica": "CR", "cote d'ivoire": "CI", "côte d'ivoire": "CI", "cuba": "CU",
    "democratic republic of the congo": "CD", "dominican republic": "DO", "ecuador": "EC", "el salvador": "SV",
    "ethiopia": "ET", "ghana": "GH", "guatemala": "GT", "haiti": "HT", "honduras": "HN", "india": "IN",
    "indonesia": "ID", "ivory coast": "CI", "jamaica": "JM", "japan": "JP", "kenya": "KE", "laos": "LA",
    "madagascar": "MG", "malawi": "MW", "mauritius": "MU", "mexico": "MX", "myanmar": "MM", "nepal": "NP",
    "nicaragua": "NI", "nigeria": "NG", "panama": "PA", "papua new guinea": "PG", "peru": "PE", "perú": "PE",
    "philippines": "PH", "rwanda": "RW", "taiwan": "TW", "tanzania": "TZ", "thailand": "TH", "timor-leste": "TL",
    "togo": "TG", "uganda": "UG", "united states": "US", "united states (hawaii)": "US",
    "united states (puerto rico)": "PR", "venezuela": "VE", "vietnam": "VN", "yemen": "YE", "zambia": "ZM",
    "zimbabwe": "ZW",
}  # fmt: skip


def country_code(text: str) -> str | None:
    """ "Peru" and "PE" are "PE"; "" stays; None for what is no country here."""
    text = text.strip()
    if not text or (len(text) == 2 and text.isascii() and text.isalpha()):
        return text.upper()
    return COUNTRIES.get(text.lower())
