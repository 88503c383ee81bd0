"""The page's modules on their own, in the browser that runs them: numbers as the venue's, texts in each language."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest

from engine.codes import PHASE_MOVES, Reason
from engine.domain import units
from gateway.problems import GATEWAY_STATUS


@pytest.fixture
def module(visit):
    """Evaluates JavaScript with one module of the page as `m`."""
    page = visit().open()
    base = page.evaluate("document.querySelector('script[type=module]').src.replace(/main\\.js$/, '')")

    def evaluate(name: str, expression: str, *args):
        return page.evaluate(
            f"async (args) => {{ const m = await import('{base}{name}'); return ({expression})(...args); }}", list(args)
        )

    return evaluate


def test_the_value_of_a_fill_is_the_venues(module):
    rng = random.Random(2)
    cases = []
    for _ in range(400):
        case = (rng.randint(-(10**9), 10**9), rng.randint(1, 10**12), rng.randint(1, 10**15), rng.randint(1, 10**9))
        cases.append(case)
    for ticks in range(-9, 10):  # halves on both sides of zero
        cases.append((ticks, 1, 1, 2))
    shown = module(
        "decimal.js", "(cases) => cases.map((case_) => m.valueMinor(...case_.map(BigInt)).toString())",
        [[str(number) for number in case] for case in cases],
    )  # fmt: skip
    assert [int(text) for text in shown] == [units.value_minor(*case) for case in cases]


@pytest.mark.parametrize("tick", ["0.05", "0.01", "1", "0.001", "0.25", "2.5"])
def test_prices_become_the_same_ticks(module, tick):
    size = Fraction(tick)
    digits = units.decimals_of(size)
    rng = random.Random(int(size * 1000))
    texts = [units.decimal_text(Fraction(rng.randint(-(10**9), 10**9), 10**digits), digits) for _ in range(300)]
    texts += [
        "",
        "-",
        "1e400",
        "NaN",
        "Infinity",
        "1_000",
        "01",
        "1.",
        ".5",
        "+1",
        "٣",
        "1,5",
        "0x10",
        "12345678901234",
    ]
    wanted = []
    for text in texts:
        try:
            ticks = units.price_to_ticks(text, size)
            wanted.append([str(ticks), units.ticks_to_text(ticks, size)])
        except units.UnitError as error:
            wanted.append([error.code, None])
    shown = module(
        "decimal.js",
        """(texts, tick, digits) => texts.map((text) => {
          const { ticks, code } = m.toTicks(text, tick);
          return code ? [code, null] : [ticks.toString(), m.priceText(ticks, tick, digits)];
        })""",
        texts, tick, digits,
    )  # fmt: skip
    assert shown == wanted


@pytest.mark.parametrize("language", ["en", "es"])
def test_every_refusal_has_words(module, language):
    codes = [reason.name.lower() for reason in Reason if reason is not Reason.NONE] + list(GATEWAY_STATUS)
    assert len(codes) > 60
    texts = module(
        "strings.js",
        """async (codes, language) => {
          await m.setLanguage(language);
          return codes.map((code) => m.problemText({ code }));
        }""",
        [*codes, "unreachable"], language,
    )  # fmt: skip
    plain = [code for code, text in zip(codes, texts, strict=False) if not text or f"({code})" in text]
    assert plain == []


def test_the_operators_moves_are_the_venues(module):
    offered = module("views/operator.js", "() => m.MOVES")
    legal = {phase.name.lower(): {to.name.lower() for to in moves} for phase, moves in PHASE_MOVES.items()}
    assert {phase: set(moves) for phase, moves in offered.items()} == legal


def test_numbers_are_shown_whole(module):
    texts = module(
        "strings.js",
        "() => [m.money(14024417n, 'USD'), m.money(-5n, 'PEN'), m.number('123456789012345678.125'), m.duration(61_001),"
        " m.duration(-5), m.duration(3_600_000)]",
    )
    assert texts == ["140,244.17 USD", "−0.05 PEN", "123,456,789,012,345,678.125", "1:02", "0:00", "1:00:00"]
