"""A contract confirmation as one printable page, in English or Spanish: no script, its own style, everything escaped.

The words stand in one table beside the data of `gateway/contracts.py`. The page is served under a policy of its own:
its style by hash, nothing else.
"""

from __future__ import annotations

import base64
import hashlib
from html import escape
from typing import Any, Literal

Language = Literal["en", "es"]

STYLE = """
:root { color: #1a1a1a; background: #fff; font: 11pt/1.45 Georgia, "Times New Roman", serif; }
body { max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; }
h2 { font-size: 1.05rem; margin: 1.5rem 0 .25rem; border-bottom: 1px solid #999; }
p.note { border: 2px solid #1a1a1a; padding: .5rem .75rem; }
table { width: 100%; border-collapse: collapse; }
th { text-align: left; font-weight: normal; width: 14rem; color: #444; }
th, td { vertical-align: top; padding: .2rem .5rem .2rem 0; overflow-wrap: anywhere; }
td.digest { font: 9pt/1.4 ui-monospace, monospace; }
.signatures td { padding-top: 3.5rem; width: 50%; }
.signatures span { display: block; border-top: 1px solid #1a1a1a; padding-top: .25rem; margin-right: 2rem; }
@page { size: A4; margin: 18mm; }
@media print { body { margin: 0; padding: 0; max-width: none; } h2, tr { break-inside: avoid; break-after: avoid; } }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "title": "Confirmation of contract",
        "concluded_at": "Concluded",
        "sale": "Sale",
        "parties": "Parties",
        "seller": "Seller",
        "buyer": "Buyer",
        "account": "account",
        "goods": "Goods",
        "lot": "Lot",
        "description": "Description",
        "quantity": "Quantity",
        "bags_of": "{bags} bags of {bag_kg} kg net",
        "net": "Net weight",
        "tolerance": "Tolerance",
        "tolerance_of": "{percent} % more or less: {least} to {most} kg",
        "franchise": "Weight franchise",
        "franchise_of": "{percent} %: a loss of weight beyond it is made good by the seller",
        "no_franchise": "none",
        "price": "Price",
        "per_unit": "Price",
        "value": "Value",
        "delivery": "Delivery",
        "incoterm": "Delivery term (Incoterms 2020)",
        "shipment": "Shipment",
        "payment": "Payment",
        "terms": "Terms",
        "form": "Form of contract",
        "sample": "Sample",
        "arbitration": "Arbitration",
        "documents": "Documents (SHA-256)",
        "signed": "for the {party}",
        "provisional": "Provisional: subject to the buyer's approval of the sample until {until}. Without a word from "
        "the buyer by then the sample counts as {silence}.",
        "accepted": "approved",
        "rejected": "not approved",
        "allowance_asked": "The buyer asks for an allowance; the seller has not answered.",
        "disputed": "Disputed: the operator of the venue decides.",
        "final": "",
        "sas_no_approval_no_sale": "Subject to approval of sample: no approval, no sale",
        "sas_repeat": "Subject to approval of sample, repeat: a second and a third sample may follow",
        "sas_choice": "Subject to approval of one of several samples, the buyer's choice",
        "pre_shipment": "Pre-shipment sample",
        "stock_lot": "Stock-lot sample",
        "type": "Type sample",
        "escc": "European Standard Contract for Coffee (ESCC)",
        "gca": "Green Coffee Association (GCA)",
        "other": "as agreed",
    },
    "es": {
        "title": "Confirmación de contrato",
        "concluded_at": "Celebrado",
        "sale": "Subasta",
        "parties": "Partes",
        "seller": "Vendedor",
        "buyer": "Comprador",
        "account": "cuenta",
        "goods": "Mercancía",
        "lot": "Lote",
        "description": "Descripción",
        "quantity": "Cantidad",
        "bags_of": "{bags} sacos de {bag_kg} kg netos",
        "net": "Peso neto",
        "tolerance": "Tolerancia",
        "tolerance_of": "{percent} % más o menos: de {least} a {most} kg",
        "franchise": "Franquicia de peso",
        "franchise_of": "{percent} %: el vendedor compensa la merma que la exceda",
        "no_franchise": "ninguna",
        "price": "Precio",
        "per_unit": "Precio",
        "value": "Valor",
        "delivery": "Entrega",
        "incoterm": "Término de entrega (Incoterms 2020)",
        "shipment": "Embarque",
        "payment": "Pago",
        "terms": "Condiciones",
        "form": "Forma del contrato",
        "sample": "Muestra",
        "arbitration": "Arbitraje",
        "documents": "Documentos (SHA-256)",
        "signed": "por el {party}",
        "provisional": "Provisional: sujeto a la aprobación de la muestra por el comprador hasta {until}. Si el "
        "comprador no dice nada hasta entonces, la muestra se tiene por {silence}.",
        "accepted": "aprobada",
        "rejected": "no aprobada",
        "allowance_asked": "El comprador pide una rebaja; el vendedor no ha respondido.",
        "disputed": "En disputa: decide el operador del mercado.",
        "final": "",
        "sas_no_approval_no_sale": "Sujeto a aprobación de muestra: sin aprobación no hay venta",
        "sas_repeat": "Sujeto a aprobación de muestra, con repetición: puede seguir una segunda y una tercera",
        "sas_choice": "Sujeto a aprobación de una de varias muestras, a elección del comprador",
        "pre_shipment": "Muestra previa al embarque",
        "stock_lot": "Muestra del lote en almacén",
        "type": "Muestra tipo",
        "escc": "Contrato europeo estándar para el café (ESCC)",
        "gca": "Green Coffee Association (GCA)",
        "other": "según lo convenido",
    },
}
assert set(WORDS["en"]) == set(WORDS["es"]), "every word in either language"


def contract_page(contract: dict[str, Any], language: Language) -> str:
    """The whole document. `contract`: a `contract_view` in its JSON form."""
    words = WORDS[language]
    title = f"{words['title']} {contract['contract']}"
    sections = [
        _section(words[name], rows) for name, rows in _sections(contract, words) if any(text for _, text in rows)
    ]
    return (
        f'<!doctype html>\n<html lang="{language}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{escape(title)}</h1>\n"
        f"<p>{escape(contract['venue'])} · {escape(words['concluded_at'])} {_moment(contract['concluded_at'])}</p>\n"
        f"{_note(contract, words)}{''.join(sections)}{_documents(contract, words)}{_signatures(contract, words)}"
        "</body>\n</html>\n"
    )


def _sections(contract: dict[str, Any], words: dict[str, str]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Headings with their rows (name, text), not escaped; a row without text is left out."""
    unit = f"{contract['price']} {contract['price_unit']}"
    shipment = " – ".join(text for text in (contract["shipment_from"], contract["shipment_to"]) if text)
    form = " ".join(text for text in (words.get(contract["form"], ""), contract["edition"]) if text)
    franchise = words["no_franchise"]
    if contract["franchise_percent"] != "0":
        franchise = words["franchise_of"].format(percent=contract["franchise_percent"])
    return [
        ("parties", [(words[who], _party(contract[who], words)) for who in ("seller", "buyer")]),
        (
            "goods",
            [
                (words["sale"], f"{contract['sale_title']} ({contract['sale_id']})"),
                (words["lot"], str(contract["lot"])),
                (words["description"], contract["goods"]),
                *contract["attributes"].items(),
            ],
        ),
        (
            "quantity",
            [
                (words["quantity"], words["bags_of"].format(bags=contract["bags"], bag_kg=contract["bag_kg"])),
                (words["net"], f"{contract['net_kg']} kg"),
                (
                    words["tolerance"],
                    words["tolerance_of"].format(
                        percent=contract["tolerance_percent"],
                        least=contract["net_kg_min"],
                        most=contract["net_kg_max"],
                    ),
                ),
                (words["franchise"], franchise),
            ],
        ),
        ("price", [(words["per_unit"], unit), (words["value"], f"{contract['value']} {contract['currency']}")]),
        (
            "delivery",
            [
                (words["incoterm"], f"{contract['incoterm']} {contract['place']}".strip()),
                (words["shipment"], shipment),
                (words["payment"], contract["payment"]),
            ],
        ),
        (
            "terms",
            [
                (words["form"], form),
                (words["sample"], words.get(contract["sample_term"], "")),
                (words["arbitration"], contract["arbitration"]),
            ],
        ),
    ]


def _section(heading: str, rows: list[tuple[str, str]]) -> str:
    lines = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(text)}</td></tr>\n' for name, text in rows if text
    )
    return f"<h2>{escape(heading)}</h2>\n<table>\n{lines}</table>\n"


def _note(contract: dict[str, Any], words: dict[str, str]) -> str:
    text = words[contract["state"]]
    if contract["state"] == "provisional":
        text = text.format(
            until=_moment(contract["provisional_until"] or ""), silence=words[contract["silence"] or "accepted"]
        )
    return f'<p class="note">{escape(text)}</p>\n' if text else ""


def _documents(contract: dict[str, Any], words: dict[str, str]) -> str:
    if not contract["documents"]:
        return ""
    lines = "".join(
        f'<tr><th scope="row">{escape(one["title"])}</th><td class="digest">{escape(one["sha256"])}</td></tr>\n'
        for one in contract["documents"]
    )
    return f"<h2>{escape(words['documents'])}</h2>\n<table>\n{lines}</table>\n"


def _signatures(contract: dict[str, Any], words: dict[str, str]) -> str:
    cells = "".join(
        f"<td><span>{escape(words['signed'].format(party=words[who].lower()))}</span></td>"
        for who in ("seller", "buyer")
    )
    return f'<table class="signatures"><tr>{cells}</tr></table>\n'


def _party(party: dict[str, Any], words: dict[str, str]) -> str:
    return f"{party['label']} ({words['account']} {party['account']})"


def _moment(text: str) -> str:
    """RFC 3339 with microseconds, as people write it: to the minute, UTC."""
    return escape(f"{text[:10]} {text[11:16]} UTC")
