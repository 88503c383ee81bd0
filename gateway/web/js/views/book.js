/** The live book: both sides best first, a bar behind each level for the running total. A click takes its price. */

import { compare, parse, toText } from "../decimal.js";
import { el, keyed, panel, setText, show } from "../dom.js";
import { COLLECTING, shown } from "../state.js";
import { number, t } from "../strings.js";

const LEVELS_SHOWN = 10;

export function bookPanel(state, onPrice) {
  const waiting = el("p", { class: "empty" }, t("book.waiting"));
  const empty = el("p", { class: "empty" }, t("book.empty"));
  const bids = side("bids", onPrice);
  const asks = side("asks", onPrice);
  const sides = el("div", { class: "sides" }, bids.node, asks.node);
  const { section, aside } = panel("book", t("book"), waiting, empty, sides);

  function draw() {
    const { book, instrument } = state;
    show(section, Boolean(instrument));
    show(waiting, !book);
    const any = Boolean(book && (book.bids.length || book.asks.length));
    show(empty, Boolean(book) && !any);
    show(sides, any);
    setText(aside, any ? between(book, instrument) : "");
    if (!book || !instrument) return;
    const totals = [runningTotals(book.bids), runningTotals(book.asks)];
    const widest = totals.flat().reduce((most, total) => (total > most ? total : most), 1n);
    bids.draw(instrument, book.bids, totals[0], widest);
    asks.draw(instrument, book.asks, totals[1], widest);
  }

  draw();
  return { node: section, stop: state.listen(["book", "selected", "instruments"], draw) };
}

/** Totals of the levels shown, from the best price outwards. */
function runningTotals(levels) {
  let total = 0n;
  return levels.slice(0, LEVELS_SHOWN).map(([, qty]) => (total += BigInt(qty)));
}

function between({ bids, asks }, instrument) {
  if (!bids.length || !asks.length || !instrument) return "";
  const [[bid], [ask]] = [bids[0], asks[0]];
  if (compare(bid, ask) >= 0) return COLLECTING.has(instrument.phase) ? t("book.crossed") : "";
  const digits = instrument.price_decimals;
  const gap = (parse(ask) - parse(bid)) / 10n ** BigInt(12 - digits);
  return t("book.spread", { spread: number(toText(gap, digits)) });
}

function side(name, onPrice) {
  const body = el("tbody", {});
  const more = el("p", { class: "more-levels" });
  const none = el("p", { class: "none" }, t(name === "bids" ? "book.no_bids" : "book.no_asks"));
  const head = ["orders", "total", "qty", "price"].map((key) => el("th", { scope: "col", class: key }, t(`book.${key}`)));
  const table = el(
    "table",
    { class: "levels" },
    el("caption", { class: "unseen" }, t("book.caption", { side: t(`book.${name}`) })),
    el("thead", {}, el("tr", {}, name === "bids" ? head : head.reverse())),
    body,
  );
  const node = el("div", { class: `side ${name}` }, el("h3", {}, t(`book.${name}`)), table, none, more);

  function make([price]) {
    const button = el("button", { type: "button", class: "level-price num", on: { click: () => onPrice(price) } });
    const parts = {
      orders: el("td", { class: "orders num" }),
      total: el("td", { class: "total num" }),
      qty: el("td", { class: "qty num" }),
      price: el("td", { class: "price" }, button),
    };
    const cells = Object.values(parts);
    return Object.assign(el("tr", {}, name === "bids" ? cells : cells.reverse()), { parts });
  }

  function draw(instrument, levels, totals, widest) {
    show(table, levels.length > 0);
    show(none, levels.length === 0);
    keyed(
      body,
      levels.slice(0, LEVELS_SHOWN).map((level, i) => [...level, totals[i]]),
      ([price]) => price,
      make,
      (row, [price, qty, orders, total]) => {
        const text = shown(instrument, price);
        setText(row.parts.price.firstChild, text);
        row.parts.price.firstChild.setAttribute("aria-label", t("book.use", { price: text }));
        setText(row.parts.qty, number(qty));
        setText(row.parts.orders, number(orders));
        setText(row.parts.total, number(total));
        row.style.setProperty("--share", `${Number((total * 1000n) / widest) / 10}%`);
      },
    );
    const rest = levels.length - LEVELS_SHOWN;
    setText(more, rest > 0 ? t("book.more", { count: number(rest) }) : "");
  }

  return { node, draw };
}
