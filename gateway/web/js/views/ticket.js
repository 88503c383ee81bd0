/**
 * The order ticket. What is typed is checked here for form only (tick, whole lots) and echoed as weight and exact value;
 * whether it is allowed, the venue says. An order keeps its client id until its answer has arrived, so that pressing
 * again after a lost answer asks instead of ordering twice.
 */

import { Problem } from "../api.js";
import { parse, ratio, toLots, toTicks } from "../decimal.js";
import { el, panel, setText, show } from "../dom.js";
import {
  COLLECTING, lotText, lots, nounOf, quintalKg, shown, stepped, valueText, weightKg,
} from "../state.js";
import { count, number, problemText, t } from "../strings.js";

const DRAFT = { side: "buy", type: "limit", price: "", quantity: "", time_in_force: "gtc", stop_price: "", display: "",
  expire_at: "", post_only: false };
const FIELD_OF = { "/price": "price", "/quantity": "qty", "/time_in_force": "tif", "/stop_price": "stop",
  "/display_quantity": "display", "/expire_at": "expire" };
const TYPES = ["limit", "market", "iceberg", "stop"];
/** Which times in force each kind of order takes (engine rules: terms_conflict); others are not offered. */
const TIFS = {
  limit: ["gtc", "day", "gtd", "ioc", "fok", "at_auction"],
  market: ["gtc", "day", "gtd", "ioc", "fok", "at_auction"],
  iceberg: ["gtc", "day", "gtd"],
  stop: ["gtc", "day", "gtd"],
};
/** Which of them each way of trading takes. */
const NOT_IN_CALL = ["ioc", "fok"];
const NOT_CONTINUOUS = ["at_auction"];

export function ticketPanel(state, venue, onKey) {
  const draft = Object.assign(state.draft, { ...DRAFT, ...state.draft });
  let pending = null; // the order whose answer is awaited or was lost
  let sending = false;
  let blamed = null; // the field that the venue's last refusal named

  const choice = (name, value, label) => {
    const input = el("input", { type: "radio", name, value, checked: draft[name] === value,
      on: { change: () => typed(name, value) } });
    return el("label", { class: `choice is-${value}` }, input, el("span", {}, label));
  };
  const price = el("input", { id: "ticket-price", name: "price", inputMode: "decimal", autocomplete: "off", spellcheck: false,
    class: "num", value: draft.price, aria: { describedby: "ticket-price-problem" },
    on: { input: () => typed("price", price.value.trim()), keydown: (event) => arrows(event, stepPrice) } });
  const quantity = el("input", { id: "ticket-qty", name: "quantity", inputMode: "numeric", autocomplete: "off", spellcheck: false,
    class: "num", value: draft.quantity, aria: { describedby: "ticket-qty-problem" },
    on: { input: () => typed("quantity", quantity.value.trim()), keydown: (event) => arrows(event, stepQty) } });
  const tif = el("select", { id: "ticket-tif", name: "time_in_force", aria: { describedby: "ticket-tif-problem" },
    on: { change: () => typed("time_in_force", tif.value) } },
    ...TIFS.limit.map((code) => el("option", { value: code, selected: draft.time_in_force === code }, t(`tif.${code}`))));
  const plain = (id, name, more = {}) => {
    const input = el("input", { id: `ticket-${id}`, name, autocomplete: "off", spellcheck: false, class: "num", value: draft[name],
      aria: { describedby: `ticket-${id}-problem` }, on: { input: () => typed(name, input.value.trim()) }, ...more });
    return input;
  };
  const stop = plain("stop", "stop_price", { inputMode: "decimal" });
  const display = plain("display", "display", { inputMode: "numeric" });
  const expire = plain("expire", "expire_at", { type: "datetime-local" });
  const postOnly = el("input", { type: "checkbox", id: "ticket-post-only", checked: draft.post_only,
    on: { change: () => typed("post_only", postOnly.checked) } });
  const problems = Object.fromEntries(["price", "qty", "tif", "stop", "display", "expire"].map((field) =>
    [field, el("p", { class: "field-problem", id: `ticket-${field}-problem` })]));
  const priceLabel = el("label", { htmlFor: "ticket-price" });
  const qtyLabel = el("label", { htmlFor: "ticket-qty" });
  const stopLabel = el("label", { htmlFor: "ticket-stop" });
  const stopField = el("div", { class: "field" }, stopLabel, stop, problems.stop);
  const displayField = el("div", { class: "field" }, el("label", { htmlFor: "ticket-display" }, t("ticket.display")), display, problems.display);
  const expireField = el("div", { class: "field" }, el("label", { htmlFor: "ticket-expire" }, t("ticket.expire")), expire, problems.expire);
  const postOnlyField = el("div", { class: "field check" }, postOnly, el("label", { htmlFor: "ticket-post-only" }, t("ticket.post_only")));
  const stepper = (input, down, up, labels) => el("div", { class: "stepper" },
    el("button", { type: "button", class: "step", aria: { label: t(labels[0]) }, on: { click: down } }, "−"),
    input,
    el("button", { type: "button", class: "step", aria: { label: t(labels[1]) }, on: { click: up } }, "+"));
  const priceField = el("div", { class: "field" }, priceLabel,
    stepper(price, () => stepPrice(-1), () => stepPrice(1), ["ticket.price.lower", "ticket.price.higher"]), problems.price);
  const weight = el("dd", { class: "num" });
  const value = el("dd", { class: "num strong" });
  const warning = el("p", { class: "hint" });
  const submit = el("button", { type: "submit", class: "submit" });
  const message = el("div", { class: "outcome", role: "status", aria: { live: "polite" } });
  const renew = el("button", { type: "button", class: "plain", hidden: true, on: { click: () => { pending = null; say("", ""); draw(); } } },
    t("ticket.edit"));
  const form = el(
    "form",
    { class: "ticket", noValidate: true, autocomplete: "off", on: { submit: (event) => { event.preventDefault(); send(); } } },
    el("fieldset", { class: "choices" }, el("legend", { class: "unseen" }, t("ticket.side")),
      choice("side", "buy", t("side.buy")), choice("side", "sell", t("side.sell"))),
    el("fieldset", { class: "choices small" }, el("legend", { class: "unseen" }, t("ticket.type")),
      ...TYPES.map((type) => choice("type", type, t(`type.${type}`)))),
    stopField,
    priceField,
    el("div", { class: "field" }, qtyLabel,
      stepper(quantity, () => stepQty(-1), () => stepQty(1), ["ticket.qty.lower", "ticket.qty.higher"]), problems.qty),
    displayField,
    el("div", { class: "field" }, el("label", { htmlFor: "ticket-tif" }, t("ticket.tif")), tif, problems.tif),
    expireField,
    postOnlyField,
    el("dl", { class: "figures sums" },
      el("div", {}, el("dt", {}, t("ticket.weight")), weight), el("div", {}, el("dt", {}, t("ticket.value")), value)),
    warning,
    submit,
    renew,
  );
  const noKey = el("div", { class: "no-key" }, el("p", {}, t("ticket.nokey")),
    el("button", { type: "button", class: "primary", on: { click: onKey } }, t("key.use")));
  const readOnly = el("p", { class: "empty" }, t("ticket.readonly"));
  const { section, aside } = panel("ticket", t("ticket"), noKey, readOnly, form, message);

  function typed(name, text) {
    if (sending) return;
    draft[name] = text;
    pending = blamed = null;
    say("", "");
    draw();
  }

  function arrows(event, step) {
    const by = { ArrowUp: 1, ArrowDown: -1, PageUp: 10, PageDown: -10 }[event.key];
    if (!by) return;
    event.preventDefault();
    step(by);
  }

  function stepPrice(by) {
    const { instrument } = state;
    if (!instrument) return;
    const from = parse(draft.price) === null ? startingPrice(instrument) : null;
    price.value = from ?? stepped(instrument, draft.price, by) ?? draft.price;
    typed("price", price.value);
  }

  function startingPrice(instrument) {
    const book = state.book;
    const level = draft.side === "buy" ? book?.asks : book?.bids;
    return level?.[0]?.[0] ?? instrument.indication?.price ?? instrument.last?.price
      ?? instrument.reference ?? instrument.price_min;
  }

  function stepQty(by) {
    const now = toLots(draft.quantity).lots ?? 0n;
    const next = now + BigInt(by);
    quantity.value = (next < 1n ? 1n : next).toString();
    typed("quantity", quantity.value);
  }

  /** Whether the order has a limit price: a stop may do without. */
  const priced = () => draft.type !== "market" && (draft.type !== "stop" || draft.price !== "");

  /** Problems of form, by field; {} when the order can be sent. */
  function check() {
    const { instrument } = state;
    const found = {};
    const note = (field, { code }) => { if (code) found[field] = code; };
    if (priced()) note("price", toTicks(draft.price, instrument.tick_size));
    if (draft.type === "stop") note("stop", toTicks(draft.stop_price, instrument.tick_size));
    if (draft.type === "iceberg") note("display", toLots(draft.display));
    if (draft.time_in_force === "gtd" && Number.isNaN(Date.parse(draft.expire_at))) found.expire = "missing_field";
    note("qty", toLots(draft.quantity));
    return found;
  }

  /** The order as the venue takes it. */
  function request(instrument) {
    const type = draft.type === "stop" && priced() ? "stop_limit" : draft.type;
    return {
      instrument: instrument.symbol,
      side: draft.side,
      type,
      ...(priced() ? { price: draft.price } : {}),
      quantity: draft.quantity,
      time_in_force: draft.time_in_force,
      ...(draft.type === "stop" ? { stop_price: draft.stop_price } : {}),
      ...(draft.type === "iceberg" ? { display_quantity: draft.display } : {}),
      ...(draft.time_in_force === "gtd" ? { expire_at: new Date(draft.expire_at).toISOString() } : {}),
      ...(mayPostOnly() && draft.post_only ? { post_only: true } : {}),
    };
  }

  const mayPostOnly = () => ["limit", "iceberg"].includes(draft.type) && TIFS.stop.includes(draft.time_in_force)
    && !COLLECTING.has(state.instrument.phase);

  function offerTifs() {
    const out = COLLECTING.has(state.instrument.phase) ? NOT_IN_CALL : NOT_CONTINUOUS;
    for (const option of tif.options) {
      option.hidden = option.disabled = !TIFS[draft.type].includes(option.value)
        || (out.includes(option.value) && option.value !== draft.time_in_force);
    }
    if (!TIFS[draft.type].includes(draft.time_in_force)) draft.time_in_force = tif.value = "gtc";
  }

  function names(instrument) {
    return { tick: instrument.tick_size, min: shown(instrument, instrument.price_min), max: shown(instrument, instrument.price_max) };
  }

  function draw() {
    const { instrument } = state;
    const mayTrade = state.may("trade");
    show(section, Boolean(instrument));
    show(noKey, !state.account);
    show(readOnly, Boolean(state.account) && !mayTrade);
    show(form, mayTrade);
    if (!instrument) return;
    setText(aside, instrument.symbol);
    if (!mayTrade) return;
    section.dataset.side = draft.side;
    offerTifs();
    const limit = priced();
    show(priceField, draft.type !== "market");
    show(stopField, draft.type === "stop");
    show(displayField, draft.type === "iceberg");
    show(expireField, draft.time_in_force === "gtd");
    show(postOnlyField, mayPostOnly());
    const unit = { unit: instrument.price_unit };
    setText(priceLabel, t(draft.type === "stop" ? "ticket.price.optional" : "ticket.price", unit));
    setText(stopLabel, t("ticket.stop_price", unit));
    setText(qtyLabel, t("ticket.qty", { unit: lotText(instrument) }));
    const found = check();
    field("price", price, limit && draft.price !== "" ? found.price : null, instrument);
    field("qty", quantity, draft.quantity !== "" ? found.qty : null, instrument);
    field("stop", stop, draft.stop_price !== "" ? found.stop : null, instrument);
    field("display", display, draft.display !== "" ? found.display : null, instrument);
    field("expire", expire, draft.expire_at !== "" ? found.expire : null, instrument);
    const collecting = COLLECTING.has(instrument.phase);
    const amiss = (collecting ? NOT_IN_CALL : NOT_CONTINUOUS).includes(draft.time_in_force);
    setText(problems.tif, amiss ? t(collecting ? "tif.call" : "tif.continuous") : "");
    const about = { stop: "ticket.stop.about", iceberg: "ticket.iceberg.about", market: "ticket.market.warning" }[draft.type];
    setText(warning, about ? t(about) : "");
    drawSums(instrument, found, limit);
    drawButton(instrument, found, limit);
  }

  function field(name, input, code, instrument) {
    setText(problems[name], code ? problemText({ code }, names(instrument)) : "");
    if (code || blamed === name) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
  }

  function drawSums(instrument, found, limit) {
    const qty = found.qty ? null : toLots(draft.quantity).lots;
    const kg = qty === null ? null : weightKg(instrument, qty);
    const each = quintalKg(instrument);
    setText(weight, kg === null ? "–" : t("weight.quintal", { kg: number(kg), quintals: number(ratio(kg, each, 2)), each }));
    if (!limit) setText(value, t("ticket.value.market"));
    else setText(value, qty === null || found.price ? "–" : valueText(instrument, draft.price, qty) || "–");
  }

  function drawButton(instrument, found, limit) {
    const ready = Object.keys(found).length === 0;
    let text = t(`ticket.submit.${draft.side}.empty`);
    if (ready) {
      const qty = lots(instrument, draft.quantity);
      const kind = draft.type === "stop" ? ".stop" : limit ? "" : ".market";
      const price = draft.type === "stop" ? draft.stop_price : draft.price;
      text = t(`ticket.submit.${draft.side}${kind}`, { qty, price: kind === ".market" ? "" : shown(instrument, price) });
    }
    if (sending) text = t("ticket.sending");
    else if (pending) text = t("ticket.again");
    setText(submit, text);
    submit.disabled = !ready || sending;
    show(renew, Boolean(pending) && !sending);
    for (const input of form.querySelectorAll("input, select, .step")) input.disabled = sending;
  }

  async function send() {
    const { instrument } = state;
    if (sending || submit.disabled) return;
    pending ??= venue.newOrder(request(instrument));
    sending = true;
    blamed = null;
    say("", "");
    draw();
    try {
      const answer = await venue.placeOrder(pending);
      pending = null;
      say(answer.filled_quantity !== "0" || ["open", "waiting"].includes(answer.state) ? "good" : "bad", outcome(instrument, answer));
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      refused(instrument, problem);
    } finally {
      sending = false;
      draw();
      if (blamed) ({ price, qty: quantity, tif, stop, display, expire })[blamed].focus();
    }
  }

  /** Where the outcome is unknown the order is kept, so that the next press asks again with the same client id. */
  function refused(instrument, problem) {
    const unknown = problem.code === "unreachable" || problem.code === "storage_failed" || problem.status >= 500;
    if (unknown && problem.code !== "busy" && problem.code !== "storage_low") {
      say("bad", t("ticket.unknown"));
      return;
    }
    pending = null;
    say("bad", problemText(problem, names(instrument)));
    blamed = problem.errors.map(({ pointer }) => FIELD_OF[pointer]).find(Boolean) ?? null;
  }

  function outcome(instrument, answer) {
    if (answer.duplicate && !answer.fills) return t("ticket.sent.duplicate");
    const open = lots(instrument, answer.open_quantity);
    const at = answer.price == null ? t("orders.market") : shown(instrument, answer.price);
    const fills = byPrice(answer.fills ?? []).map(([at, sum]) =>
      t("ticket.fill", { qty: count(nounOf(instrument), sum), price: shown(instrument, at) })).join(", ");
    switch (answer.state) {
      case "filled":
        return t("ticket.sent.filled", { fills });
      case "partial":
        return t("ticket.sent.partial", { fills, open, price: at });
      case "waiting":
        return t("ticket.sent.waiting", { open, price: shown(instrument, answer.stop_price) });
      case "cancelled": {
        if (answer.filled_quantity === "0") return t("ticket.sent.cancelled");
        const rest = lots(instrument, BigInt(answer.quantity) - BigInt(answer.filled_quantity));
        return t("ticket.sent.partial.cancelled", { fills, rest });
      }
      default:
        return answer.price == null ? t("ticket.sent.open.market", { open }) : t("ticket.sent.open", { open, price: at });
    }
  }

  function say(tone, text) {
    message.dataset.tone = tone;
    setText(message, text);
  }

  /** A price taken from the book. */
  function usePrice(at) {
    if (sending) return;
    if (draft.type === "market") {
      draft.type = "limit";
      form.querySelector("input[name=type][value=limit]").checked = true;
    }
    price.value = at;
    typed("price", at);
  }

  let drawnFor = state.selected;
  function drawFor() {
    if (drawnFor !== state.selected) {
      drawnFor = state.selected;
      pending = blamed = null;
      draft.price = price.value = draft.stop_price = stop.value = "";
      say("", "");
    }
    draw();
  }

  draw();
  return { node: section, usePrice, stop: state.listen(["account", "selected", "instruments", "phase"], drawFor) };
}

/** Fills of one price together, in the order they came. */
function byPrice(fills) {
  const sums = new Map();
  for (const { price, quantity } of fills) sums.set(price, (sums.get(price) ?? 0n) + BigInt(quantity));
  return [...sums];
}
