/**
 * The sale room: one common clock for all lots, counted down from the venue's `clock_due` in venue time; each lot with its
 * price, its bids, what the key's holder has bid, and a field for a maximum.
 */

import { Problem } from "../api.js";
import { parse, toTicks, valueMinor } from "../decimal.js";
import { el, keyed, setText, show, flash } from "../dom.js";
import { attribute, clockTime, count, duration, money, number, problemText, t } from "../strings.js";

const LAST_MOMENTS_MS = 30_000; // or the last third of a short clock
const ATTRIBUTES = ["score", "variety", "process", "origin", "region", "crop_year", "moisture_pct", "lot_id"]; // in this order

export function saleRoom(state, venue, notify, onKey) {
  const none = el("p", { class: "empty" }, t("sale.none"));
  const picker = el("select", { aria: { label: t("sale.choose") }, on: { change: () => {
    state.sale = Number(picker.value);
    state.changed("sales");
  } } });
  const title = el("h1", {});
  const stateName = el("span", { class: "phase big" });
  const about = el("p", { class: "phase-about" });
  const clockLabel = el("span", { class: "clock-label" });
  const clock = el("span", { class: "clock num", role: "timer" });
  const bar = el("div", { class: "clock-bar" }, el("div", {}));
  const facts = el("dl", { class: "figures" });
  const secret = el("p", { class: "hint" });
  const noKey = el("p", { class: "hint" }, t("sale.nokey"), " ",
    el("button", { type: "button", class: "plain", on: { click: onKey } }, t("key.use")));
  const body = el("tbody", {});
  const headRow = el("tr", {});
  const totals = el("p", { class: "sale-total" });
  const table = el("table", { class: "list lots" }, el("thead", {}, headRow), body);
  const room = el(
    "section",
    { class: "panel sale", aria: { label: t("sale") } },
    el("div", { class: "sale-head" },
      el("div", { class: "sale-title" }, title, el("div", { class: "phase-line" }, stateName, picker), about, facts),
      el("div", { class: "clock-box" }, clockLabel, clock, bar)),
    el("div", { class: "scroll" }, table),
    totals,
    secret,
    noKey,
  );
  const node = el("div", { class: "sale-room" }, none, room);
  let drawnFor = null;

  const sale = () => state.sales.get(state.sale) ?? null;

  function draw() {
    const now = sale();
    show(none, !now);
    show(room, Boolean(now));
    drawPicker();
    if (!now) return;
    const fresh = drawnFor !== now.sale_id;
    drawnFor = now.sale_id;
    setText(title, now.title);
    setText(stateName, t(`sale.state.${now.state}`));
    stateName.dataset.phase = { open: "pre_open", pending: "call", finished: "closed" }[now.state];
    setText(about, aboutText(now));
    facts.replaceChildren(...[
      [t("sale.opening"), `${number(now.opening)} ${now.price_unit}`],
      [t("sale.increment"), `${number(now.increment)} ${now.price_unit}`],
      [t("sale.count"), number(String(now.lots.length))],
    ].map(([label, text]) => el("div", {}, el("dt", {}, label), el("dd", { class: "num" }, text))));
    const bidding = state.may("trade");
    drawHead(now, bidding);
    room.classList.toggle("bidding", bidding);
    if (fresh) body.replaceChildren();
    keyed(body, now.lots, (lot) => lot.lot, make, (row, lot) => patch(row, now, lot, bidding, fresh));
    setText(totals, `${t(now.state === "finished" ? "sale.total.finished" : "sale.total")}: ${total(now)}`);
    show(noKey, !state.account && now.state !== "finished");
    setText(secret, bidding && now.state !== "finished" ? t("sale.secret") : "");
    tick();
  }

  function drawPicker() {
    const list = [...state.sales.values()].sort((a, b) => b.sale_id - a.sale_id);
    show(picker, list.length > 1);
    keyed(picker, list, (one) => one.sale_id, (one) => el("option", { value: one.sale_id }), (option, one) =>
      setText(option, `${one.title} (${t(`sale.state.${one.state}`)})`));
    if (state.sale !== null) picker.value = String(state.sale);
  }

  function aboutText(now) {
    if (now.state === "open") return t("sale.about.open", { time: clockTime(now.open_until) });
    if (now.state === "pending") return t("sale.about.pending", { clock: duration(now.clock_seconds * 1000) });
    const sold = now.lots.filter((lot) => lot.state === "sold").length;
    return t("sale.about.finished", { sold, lots: now.lots.length, value: total(now) });
  }

  function drawHead(now, bidding) {
    const unit = now.price_unit;
    const columns = [["lot", t("sale.lot")], ["bags", t("sale.bags")], ["weight", t("sale.weight")], ["price", t("sale.price", { unit })],
      ["value", t("sale.value")], ["bids", t("sale.bids")], ...(bidding ? [["yours", t("sale.yours")]] : [])];
    keyed(headRow, columns, ([key]) => key, ([key]) => el("th", { scope: "col", class: key }), (cell, [, text]) => setText(cell, text));
  }

  function make(lot) {
    const parts = {
      price: el("td", { class: "num price", data: { label: t("sale.price", { unit: sale().price_unit }) } }),
      value: el("td", { class: "num value", data: { label: t("sale.value") } }),
      bids: el("td", { class: "num bids", data: { label: t("sale.bids") } }),
      standing: el("span", { class: "standing" }),
      maximum: el("span", { class: "num maximum" }),
      input: el("input", { class: "num", inputMode: "decimal", autocomplete: "off", spellcheck: false }),
      submit: el("button", { type: "submit", class: "plain" }, t("sale.bid")),
      problem: el("p", { class: "field-problem", role: "status" }),
    };
    parts.form = el("form", { class: "bid", noValidate: true, autocomplete: "off",
      on: { submit: (event) => { event.preventDefault(); bid(row); } } }, parts.input, parts.submit);
    parts.yours = el("td", { class: "yours" }, el("div", { class: "mine" }, parts.standing, parts.maximum), parts.form, parts.problem);
    const attributes = inOrder(lot).map(([key, text]) => attribute(key, text).join(" ")).join(" · ");
    const row = el(
      "tr",
      {},
      el("th", { scope: "row", class: "lot" }, el("div", { class: "lot-name" },
        el("span", { class: "lot-number num" }, number(String(lot.lot))),
        el("span", { class: "lot-title" }, lot.title),
        attributes ? el("span", { class: "lot-attributes" }, attributes) : null)),
      el("td", { class: "num bags", data: { label: t("sale.bags") } }, `${number(String(lot.bags))} × ${number(lot.bag_kg)} kg`),
      el("td", { class: "num weight", data: { label: t("sale.weight") } }, t("weight", { kg: number(kilograms(lot)) })),
      parts.price,
      parts.value,
      parts.bids,
      parts.yours,
    );
    return Object.assign(row, { parts });
  }

  function patch(row, now, lot, bidding, fresh) {
    const { parts } = row;
    row.lot = lot;
    const unsold = lot.state === "passed_in";
    const text = lot.price == null ? (unsold ? t("sale.passed_in") : t("sale.nobid")) : number(lot.price);
    const before = parts.price.textContent;
    if (setText(parts.price, text) && before && !fresh) flash(parts.price);
    setText(parts.value, lot.price == null ? "" : valueOfLot(now, lot));
    setText(parts.bids, number(String(lot.bids)));
    const own = state.ownBid(now.sale_id, lot.lot);
    row.dataset.standing = own?.maximum == null ? "" : own.leading || own.won ? "leading" : "outbid";
    row.dataset.state = lot.state;
    show(parts.yours, bidding);
    if (!bidding) return;
    setText(parts.standing, standing(lot, own));
    setText(parts.maximum, own?.maximum != null ? number(own.maximum) : "");
    show(parts.form, lot.state === "open" && now.state !== "finished" && !own?.selling);
    parts.input.placeholder = t("sale.bid.least", { price: least(lot, own) });
    parts.input.setAttribute("aria-label", t("sale.bid.aria", { lot: lot.lot, unit: now.price_unit }));
    parts.submit.setAttribute("aria-label", t("sale.bid.submit", { lot: lot.lot }));
  }

  function standing(lot, own) {
    if (own?.selling) return t("sale.selling");
    if (own?.maximum == null) return "";
    if (lot.state === "sold") return own.won ? t("sale.sold.you") : t("sale.sold");
    return own.leading ? t("sale.leading") : t("sale.outbid");
  }

  /** The least maximum that can be bid now: a leader may go down to the price. */
  const least = (lot, own) => (own?.leading ? lot.price : lot.minimum_bid) ?? "";

  async function bid(row) {
    const now = sale();
    const { parts, lot } = row;
    const typed = parts.input.value.trim();
    const { code } = toTicks(typed, now.tick_size);
    if (code) {
      complain(parts, { code }, now, lot);
      return;
    }
    parts.submit.disabled = true;
    try {
      const answer = await venue.bid(now.sale_id, lot.lot, typed);
      complain(parts, null);
      parts.input.value = "";
      state.setOwnBid(now.sale_id, lot.lot, { maximum: answer.maximum, leading: answer.leading });
      notify(answer.leading ? "good" : "bad", answer.leading ? "sale.accepted.leading" : "sale.accepted.outbid",
        { lot: lot.lot, maximum: number(answer.maximum), price: answer.price == null ? "" : number(answer.price) });
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      complain(parts, problem, now, lot);
    } finally {
      parts.submit.disabled = false;
    }
  }

  function complain(parts, problem, now = null, lot = null) {
    const names = problem && { tick: now.tick_size, increment: now.increment, opening: now.opening, minimum: lot.minimum_bid ?? lot.price };
    setText(parts.problem, problem ? problemText(problem, names) : "");
    if (problem) {
      parts.input.setAttribute("aria-invalid", "true");
      parts.input.focus();
    } else parts.input.removeAttribute("aria-invalid");
  }

  function tick() {
    const now = sale();
    if (!now) return;
    const box = clock.parentElement;
    if (now.state === "pending" && now.clock_due) {
      const left = Date.parse(now.clock_due) - state.now();
      const text = left > 0 ? duration(left) : t("sale.clock.due");
      setText(clockLabel, t("sale.clock"));
      setText(clock, text);
      clock.setAttribute("aria-label", t("sale.clock.aria", { time: text }));
      const share = Math.max(0, Math.min(1, left / (now.clock_seconds * 1000)));
      bar.firstChild.style.setProperty("--share", `${(share * 100).toFixed(1)}%`);
      box.dataset.near = left < Math.min(LAST_MOMENTS_MS, (now.clock_seconds * 1000) / 3) ? "yes" : "no";
      show(bar, true);
      return;
    }
    box.dataset.near = "no";
    show(bar, false);
    clock.removeAttribute("aria-label");
    setText(clockLabel, t(`sale.state.${now.state}`));
    const missing = now.lots.filter((lot) => lot.state === "open" && lot.price == null).length;
    setText(clock, now.state === "open" && missing ? t("sale.clock.waiting", { missing: count("auction_lots", BigInt(missing)) })
      : now.state === "open" ? duration(now.clock_seconds * 1000) : "0:00");
    clock.classList.toggle("words", now.state === "open" && missing > 0);
  }

  draw();
  const timer = setInterval(tick, 200);
  const stop = state.listen(["sales", "account", "clock"], draw);
  return {
    node,
    stop() {
      stop();
      clearInterval(timer);
    },
  };
}

/** What is said of a lot beside its title, the best known first. */
function inOrder({ title, attributes }) {
  const place = (key) => (ATTRIBUTES.includes(key) ? ATTRIBUTES.indexOf(key) : ATTRIBUTES.length);
  const said = title.toLowerCase();
  return Object.entries(attributes).filter(([, text]) => text && !said.includes(text.toLowerCase()))
    .sort(([a], [b]) => place(a) - place(b));
}

/** Weight of a lot in kg as decimal text. */
function kilograms(lot) {
  const grams = lotGrams(lot).toString().padStart(4, "0");
  return `${grams.slice(0, -3)}.${grams.slice(-3)}`.replace(/\.?0+$/, "");
}

const lotGrams = (lot) => (BigInt(lot.bags) * parse(lot.bag_kg)) / 10n ** 9n;

/** Minor units of a lot at its price: ticks x grams x numerator / denominator. */
function minorOf(sale, lot) {
  const { ticks } = toTicks(lot.price, sale.tick_size);
  return valueMinor(ticks, lotGrams(lot), sale.value_numerator, sale.value_denominator);
}

const valueOfLot = (sale, lot) => (sale.value_numerator ? money(minorOf(sale, lot), sale.currency) : "");

function total(sale) {
  if (!sale.value_numerator) return "";
  const priced = sale.lots.filter((lot) => lot.price != null && lot.state !== "passed_in");
  return money(priced.reduce((sum, lot) => sum + minorOf(sale, lot), 0n), sale.currency);
}
