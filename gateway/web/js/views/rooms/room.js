/**
 * The room of one sale: its calendar and countdown, registration, and its lots with what the account bids on them. How a
 * mechanism counts down, shows a price and takes an offer is said in a file of its own beside this one.
 */

import { parse, toTicks, valueMinor } from "../../decimal.js";
import { Problem } from "../../api.js";
import { el, flash, keyed, setText, show } from "../../dom.js";
import { attribute, duration, money, number, problemText, t } from "../../strings.js";
import { STAGE_TONE, calendar } from "../sales.js";
import { clock } from "./clock.js";
import { dutch } from "./dutch.js";
import { english } from "./english.js";
import { japanese } from "./japanese.js";
import { packages } from "./packages.js";
import { registration } from "./registration.js";
import { reverse } from "./reverse.js";
import { sealed } from "./sealed.js";

const KINDS = { english, reverse, dutch, japanese, sealed, clock, packages };
const LAST_MOMENTS_MS = 30_000; // or the last third of a short clock
const ATTRIBUTES = ["score", "grade", "variety", "process", "origin", "region", "crop_year", "moisture", "moisture_pct", "lot_id"];
const STAGE_AFTER = { planned: "viewing", viewing: "registration", registration: "prebids", prebids: "live" };

export function saleRoom(id, state, venue, notify, onKey) {
  const none = el("p", { class: "empty" }, t("room.unknown"));
  const title = el("h1", {});
  const stateName = el("span", { class: "phase big" });
  const kindName = el("span", { class: "soft" });
  const about = el("p", { class: "phase-about" });
  const clockLabel = el("span", { class: "clock-label" });
  const clockText = el("span", { class: "clock num", role: "timer" });
  const bar = el("div", { class: "clock-bar" }, el("div", {}));
  const facts = el("dl", { class: "figures" });
  const stages = el("div", {});
  const outbid = el("p", { class: "outbid-line", role: "status" });
  const secret = el("p", { class: "hint" });
  const noKey = el("p", { class: "hint" }, t("sale.nokey"), " ",
    el("button", { type: "button", class: "plain", on: { click: onKey } }, t("key.use")));
  const mineOnly = el("input", { type: "checkbox", on: { change: draw } });
  const filter = el("label", { class: "filter" }, mineOnly, " ", t("room.mine_only"));
  const body = el("tbody", {});
  const headRow = el("tr", {});
  const totals = el("p", { class: "sale-total" });
  const table = el("table", { class: "list lots" }, el("thead", {}, headRow), body);
  const entry = registration(id, state, venue, notify);
  const wholeBox = el("div", {}); // where a mechanism takes one offer for the whole sale
  const operatorBox = el("div", {});
  const room = el(
    "section",
    { class: "panel sale", aria: { label: t("sale") } },
    el("div", { class: "sale-head" },
      el("div", { class: "sale-title" }, title, el("div", { class: "phase-line" }, stateName, kindName), about, facts, stages),
      el("div", { class: "clock-box" }, clockLabel, clockText, bar)),
    entry.node,
    outbid,
    filter,
    el("div", { class: "scroll" }, table),
    totals,
    wholeBox,
    secret,
    noKey,
    operatorBox,
  );
  const node = el("div", {}, none, room);
  let fresh = true;
  let whole = null;
  let operator = null;

  const sale = () => state.sales.get(id) ?? null;
  const takesBids = (now) => now.stage === "live" || (now.stage === "prebids" && KINDS[now.mechanism].prebids);
  const mayBid = (now) => {
    const own = state.ownOf(id, 0);
    return state.may("trade") && (now.registration === "open" || (own.you_are_registered && own.you_are_admitted !== false));
  };

  function draw() {
    const now = sale();
    show(none, !now);
    show(room, Boolean(now));
    if (!now) return;
    const kind = KINDS[now.mechanism];
    const bidding = state.may("trade");
    setText(title, now.title);
    const named = now.mechanism === "english" && now.stage === "live" ? `sale.state.${now.state}` : `stage.${now.stage}`;
    setText(stateName, t(named));
    stateName.dataset.phase = named === "sale.state.pending" ? "call" : STAGE_TONE[now.stage];
    setText(kindName, t(`mechanism.${now.mechanism}`));
    setText(about, aboutText(now, kind));
    facts.replaceChildren(...[...kind.facts(now), [t("sale.count"), number(String(now.lots.length))]].map(([label, text]) =>
      el("div", {}, el("dt", {}, label), el("dd", { class: "num" }, text))));
    stages.replaceChildren(...(Object.values(now.stages).some(Boolean) ? [calendar(now)] : []));
    entry.draw(now);
    drawHead(now, kind, bidding);
    room.classList.toggle("bidding", bidding);
    const own = (lot) => state.ownOf(id, lot.lot);
    const bidOn = (lot) => Boolean(kind.mine(now, lot, own(lot)));
    show(filter, bidding && now.lots.length > 1 && now.lots.some(bidOn));
    const lots = mineOnly.checked && !filter.hidden ? now.lots.filter(bidOn) : now.lots;
    keyed(body, lots, (lot) => lot.lot, (lot) => make(now, kind, lot), (row, lot) => patch(row, now, kind, lot, own(lot), bidding));
    fresh = false;
    const behind = bidding && takesBids(now) ? now.lots.filter((lot) => kind.standing(now, lot, own(lot)).tone === "outbid") : [];
    setText(outbid, behind.length ? t("room.outbid", { lots: behind.map((lot) => lot.lot).join(", ") }) : "");
    setText(totals, total(now, kind));
    show(noKey, !state.account && now.stage !== "finished" && now.stage !== "void");
    setText(secret, bidding && takesBids(now) ? (kind.secret?.(now) ?? "") : "");
    if (kind.whole) {
      whole ??= kind.whole(id, state, (offer, words) => send(offer, words));
      if (whole.node.parentElement !== wholeBox) wholeBox.replaceChildren(whole.node);
      show(wholeBox, bidding);
      whole.draw(now, takesBids(now) && mayBid(now));
    }
    drawOperator(now);
    tick();
  }

  function drawOperator(now) {
    const may = state.may("operate");
    show(operatorBox, may);
    if (!may) return;
    if (operator) operator.then?.((made) => made.draw(now));
    else {
      venue.saleSoon(id);
      operator = import("./steward.js").then(({ steward }) => {
        const made = steward(id, state, venue, notify);
        operatorBox.replaceChildren(made.node);
        made.draw(sale());
        return made;
      });
    }
  }

  function aboutText(now, kind) {
    if (now.stage === "void") return t("room.void");
    if (now.stage !== "finished") return now.stage === "live" ? kind.about(now) : `${t(`stage.about.${now.stage}`)} ${kind.about(now)}`;
    const sold = now.lots.filter((lot) => SOLD.has(lot.state)).length;
    return t("sale.about.finished", { sold, lots: now.lots.length, value: totalValue(now, kind) });
  }

  function drawHead(now, kind, bidding) {
    const unit = now.price_unit;
    const columns = [["lot", t(kind.lotName ?? "sale.lot")], ["bags", t("sale.bags")], ["weight", t("sale.weight")], ["price", t("sale.price", { unit })],
      ["value", t("sale.value")], ["bids", kind.extra.label()], ...(bidding ? [["yours", kind.yoursLabel()]] : [])];
    keyed(headRow, columns, ([key]) => key, ([key]) => el("th", { scope: "col", class: key }), (cell, [, text]) => setText(cell, text));
  }

  function make(now, kind, lot) {
    const parts = {
      price: el("td", { class: "num price", data: { label: t("sale.price", { unit: now.price_unit }) } }),
      value: el("td", { class: "num value", data: { label: t("sale.value") } }),
      bids: el("td", { class: "num bids", data: { label: kind.extra.label() } }),
      standing: el("span", { class: "standing" }),
      maximum: el("span", { class: "num maximum" }),
      due: el("span", { class: "lot-due num" }),
      input: el("input", { class: "num", inputMode: "decimal", autocomplete: "off", spellcheck: false }),
      bags: el("input", { class: "num bags-wanted", inputMode: "numeric", autocomplete: "off" }),
      buttons: el("div", { class: "row-buttons" }),
      problem: el("p", { class: "field-problem", role: "status" }),
    };
    parts.form = el("form", { class: "bid", noValidate: true, autocomplete: "off", on: { submit: (event) => {
      event.preventDefault();
      parts.enter?.();
    } } }, parts.bags, parts.input, parts.buttons);
    parts.yours = el("td", { class: "yours" }, el("div", { class: "mine" }, parts.standing, parts.maximum), parts.form, parts.problem);
    const attributes = inOrder(lot).map(([key, text]) => attribute(key, text).join(" ")).join(" · ");
    const row = el(
      "tr",
      {},
      el("th", { scope: "row", class: "lot" }, el("div", { class: "lot-name" },
        el("span", { class: "lot-number num" }, number(String(lot.lot))),
        el("span", { class: "lot-title" }, lot.title, parts.due),
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

  function patch(row, now, kind, lot, own, bidding) {
    const { parts } = row;
    row.lot = lot;
    const before = parts.price.textContent;
    if (setText(parts.price, kind.price(now, lot)) && before && !fresh) flash(parts.price);
    setText(parts.value, lot.value != null ? `${number(lot.value, 2)} ${now.currency}` : valueText(now, lot, kind.priced(now, lot)));
    setText(parts.bids, kind.extra.text(now, lot));
    const { text, tone } = kind.standing(now, lot, own);
    row.dataset.standing = tone;
    row.dataset.state = lot.state;
    show(parts.yours, bidding);
    if (!bidding) return;
    setText(parts.standing, text);
    setText(parts.maximum, kind.mine(now, lot, own));
    const controls = takesBids(now) && mayBid(now) && !own.you_sell && !own.you_buy ? kind.controls?.(now, lot, own) : null;
    show(parts.form, Boolean(controls));
    if (!controls) return;
    show(parts.input, controls.placeholder !== null);
    show(parts.bags, Boolean(controls.bags));
    parts.input.placeholder = controls.placeholder ?? "";
    parts.input.setAttribute("aria-label", controls.label ?? "");
    parts.bags.placeholder = t("room.bags", { n: lot.bags_left ?? lot.bags });
    parts.bags.setAttribute("aria-label", t("room.bags.aria", { lot: lot.lot }));
    parts.enter = null;
    keyed(parts.buttons, controls.buttons, (button) => button.key, ({ primary, enter }) => el("button", { type: enter ? "submit" : "button", class: primary ? "primary" : "plain" }),
      (node_, button) => {
        setText(node_, button.text);
        node_.setAttribute("aria-label", button.aria ?? button.text);
        const go = () => press(row, button, node_);
        if (button.enter) parts.enter = go;
        else node_.onclick = go;
      });
  }

  /** Send the offer of a lot's button, made of what is typed. */
  async function press(row, button, node_) {
    const now = sale();
    const { parts, lot } = row;
    const values = { price: parts.input.value.trim(), bags: Number(parts.bags.value.trim() || 0) };
    if (button.priced) {
      const { code } = toTicks(values.price, now.tick_size);
      if (code) {
        complain(parts, { code }, now, lot);
        return;
      }
    }
    if (!Number.isInteger(values.bags) || values.bags < 0) {
      complain(parts, { code: "bags_range" }, now, lot);
      return;
    }
    if (node_.disabled) return;
    node_.disabled = true;
    try {
      const answer = await venue.offer(id, button.offer(values));
      complain(parts, null);
      parts.input.value = "";
      const own = Object.entries(answer).filter(([name]) => name.startsWith("you"));
      if (own.length) state.setOwn(id, lot.lot, Object.fromEntries(own));
      told(answer, lot);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      complain(parts, problem, now, lot);
    } finally {
      node_.disabled = false;
    }
  }

  function told(answer, lot) {
    const { you_lead: leads, your_maximum: maximum, price } = answer;
    const names = { lot: lot.lot, maximum: maximum == null ? "" : number(maximum), price: price == null ? "" : number(price) };
    if (answer.status === "waits") notify("good", "room.waits", names);
    else if (leads === undefined || maximum == null) notify("good", "room.taken", names);
    else notify(leads ? "good" : "bad", leads ? "sale.accepted.leading" : "sale.accepted.outbid", names);
  }

  /** An offer for the whole sale. True when it was taken. */
  async function send(offer, problemNode) {
    try {
      await venue.offer(id, offer);
      setText(problemNode, "");
      notify("good", "room.offer_taken");
      return true;
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      setText(problemNode, problemText(problem, { tick: sale().tick_size }));
      return false;
    }
  }

  function complain(parts, problem, now = null, lot = null) {
    const names = problem && { tick: now.tick_size, increment: now.increment ?? "", opening: lot.opening ?? now.opening ?? "",
      minimum: lot.minimum_bid ?? lot.price ?? "" };
    setText(parts.problem, problem ? problemText(problem, names) : "");
    if (problem) {
      parts.input.setAttribute("aria-invalid", "true");
      if (!parts.input.hidden) parts.input.focus();
    } else parts.input.removeAttribute("aria-invalid");
  }

  function tick() {
    const now = sale();
    if (!now) return;
    const kind = KINDS[now.mechanism];
    for (const row of body.children) {
      const due = now.stage === "live" && kind.lotDue?.(now, row.lot);
      setText(row.parts.due, due ? ` ${t("room.lot_due", { time: duration(Date.parse(due) - state.now()) })}` : "");
    }
    const { label, due, seconds, words } = now.stage === "live" ? kind.due(now) : stageDue(now);
    const box = clockText.parentElement;
    setText(clockLabel, label);
    show(bar, Boolean(due && seconds));
    clockText.classList.toggle("words", Boolean(words));
    if (!due) {
      box.dataset.near = "no";
      setText(clockText, words ?? "–");
      clockText.removeAttribute("aria-label");
      return;
    }
    const left = Date.parse(due) - state.now();
    const text = left > 0 ? duration(left) : t("sale.clock.due");
    setText(clockText, text);
    clockText.setAttribute("aria-label", `${label} ${text}`);
    if (seconds) bar.firstChild.style.setProperty("--share", `${(Math.max(0, Math.min(1, left / (seconds * 1000))) * 100).toFixed(1)}%`);
    box.dataset.near = now.stage === "live" && left < Math.min(LAST_MOMENTS_MS, seconds ? (seconds * 1000) / 3 : LAST_MOMENTS_MS) ? "yes" : "no";
  }

  function stageDue(now) {
    if (!now.stage_due) return { label: t(`stage.${now.stage}`), words: now.stage === "finished" ? t("room.over") : "–" };
    let next = STAGE_AFTER[now.stage];
    while (next !== "live" && !now.stages[next]) next = STAGE_AFTER[next];
    return { label: t(`stage.next.${next}`), due: now.stage_due };
  }

  if (state.account) venue.saleSoon(id);
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

const SOLD = new Set(["sold", "bought"]);

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

const lotGrams = (lot, bags = lot.bags) => (BigInt(bags) * parse(lot.bag_kg)) / 10n ** 9n;

/** Minor units of a lot at a price: ticks x grams x numerator / denominator. */
function minorOf(sale, lot, price) {
  const { ticks } = toTicks(price, sale.tick_size);
  return valueMinor(ticks, lotGrams(lot), sale.value_numerator, sale.value_denominator);
}

const valueText = (sale, lot, price) => (price == null || !sale.value_numerator ? "" : money(minorOf(sale, lot, price), sale.currency));

function totalValue(sale, kind) {
  if (!sale.value_numerator) return "";
  let sum = 0n;
  for (const lot of sale.lots) {
    if (lot.value != null) sum += parse(lot.value) / 10n ** 10n;
    else if (sale.stage !== "finished" && kind.priced(sale, lot) != null) sum += minorOf(sale, lot, kind.priced(sale, lot));
  }
  return money(sum, sale.currency);
}

function total(sale, kind) {
  if (sale.stage === "void" || (!kind.totals && sale.stage !== "finished")) return "";
  return `${t(sale.stage === "finished" ? "sale.total.finished" : "sale.total")}: ${totalValue(sale, kind)}`;
}
