/** The operator's part of a sale's room: bidders, bids that wait or stand, ending and voiding the sale. */

import { Problem } from "../../api.js";
import { ask, el, keyed, setText, show } from "../../dom.js";
import { number, problemText, t } from "../../strings.js";

export function steward(id, state, venue, notify) {
  const bidders = el("tbody", {});
  const biddersTable = el("table", { class: "list" }, el("caption", {}, t("steward.bidders")),
    el("thead", {}, el("tr", {}, ...["bidder", "status", "limit", "committed", "act"].map((name) => el("th", { scope: "col" }, t(`steward.${name}`))))), bidders);
  const bids = el("tbody", {});
  const bidsTable = el("table", { class: "list" }, el("caption", {}, t("steward.bids")), bids);
  const account = el("select", { id: "steward-account" });
  const limit = el("input", { id: "steward-limit", class: "num", inputMode: "decimal", autocomplete: "off" });
  const admitForm = el("form", { class: "steward-admit", autocomplete: "off", on: { submit: (event) => {
    event.preventDefault();
    admit(Number(account.value), true, limit.value.trim() || null);
  } } },
  el("div", { class: "field" }, el("label", { htmlFor: "steward-account" }, t("steward.bidder")), account),
  el("div", { class: "field" }, el("label", { htmlFor: "steward-limit" }, t("steward.limit.optional")), limit),
  el("button", { type: "submit", class: "plain" }, t("steward.admit")));
  const endButton = el("button", { type: "button", class: "danger", on: { click: end } }, t("steward.end"));
  const voidButton = el("button", { type: "button", class: "danger", on: { click: voidSale } }, t("steward.void"));
  const openButton = el("button", { type: "button", class: "plain", on: { click: () => attempt("open", {}, "steward.done.open") } }, t("steward.open"));
  const running = el("div", { class: "row-buttons" }, openButton, endButton, voidButton);
  const node = el("section", { class: "steward", aria: { label: t("operator") } }, el("h2", {}, t("operator")), running, admitForm, biddersTable, bidsTable);
  let labels = new Map();
  let sale = null;

  async function readAccounts() {
    try {
      labels = new Map((await venue.accounts()).map((one) => [one.account, one.label || t("key.account", { account: one.account })]));
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
    }
    account.replaceChildren(...[...labels].map(([number_, label]) => el("option", { value: number_ }, label)));
    if (sale) draw(sale);
  }

  const nameOf = (number_) => labels.get(number_) ?? t("key.account", { account: number_ });

  function draw(now) {
    sale = now;
    const over = now.stage === "finished" || now.stage === "void";
    show(running, !over);
    show(admitForm, !over);
    show(openButton, now.mechanism === "sealed" && now.state === "pending");
    show(endButton, now.stage === "live" || now.stage === "prebids");
    const known = now.operator?.bidders ?? [];
    show(biddersTable, known.length > 0);
    keyed(bidders, known, (one) => one.account, () => el("tr", {}, el("th", { scope: "row" }), el("td", {}), el("td", { class: "num" }), el("td", { class: "num" }),
      el("td", {}, el("div", { class: "row-buttons" }))), (row, one) => {
      setText(row.children[0], nameOf(one.account));
      setText(row.children[1], t(one.barred ? "steward.barred" : one.admitted ? "steward.admitted" : one.registered ? "steward.registered" : "steward.none"));
      setText(row.children[2], one.limit == null ? "–" : `${number(one.limit)} ${now.currency}`);
      setText(row.children[3], `${number(one.committed)} ${now.currency}`);
      row.children[4].firstChild.replaceChildren(...(over ? [] : [
        one.barred || (now.registration === "admission" && !one.admitted)
          ? button("steward.admit", one, () => admit(one.account, true, one.limit)) : null,
        one.barred ? null : button("steward.bar", one, () => admit(one.account, false, one.limit)),
      ].filter(Boolean)));
    });
    const found = bidsOf(now);
    show(bidsTable, found.length > 0 && !over);
    keyed(bids, found, (one) => one.bid, () => el("tr", {}, el("th", { scope: "row" }), el("td", {}), el("td", {}, el("div", { class: "row-buttons" }))), (row, one) => {
      setText(row.children[0], nameOf(one.account));
      setText(row.children[1], `${one.lot ? t("room.bid.lot", { lot: one.lot }) : ""}${one.waits ? ` · ${t("steward.waits")}` : ""}`);
      row.children[2].firstChild.replaceChildren(
        ...(one.waits ? [button("steward.take", one, () => decide(one, true))] : []),
        button(one.waits ? "steward.refuse" : "steward.void_bid", one, () => decide(one, false)));
    });
  }

  const button = (key, one, click) =>
    el("button", { type: "button", class: "plain", aria: { label: `${t(key)}: ${nameOf(one.account)}` }, on: { click } }, t(key));

  /** Sends; what is refused is said in the page's line for news. */
  async function attempt(what, body, done) {
    try {
      await venue.act(id, what, body);
      notify("good", done);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      notify("bad", problemText(problem));
    }
  }

  async function reason(title, text, confirm) {
    const input = el("input", { id: "why", name: "why", required: true, maxLength: 256, autocomplete: "off" });
    const form = await ask({ title, text, fields: [el("label", { htmlFor: "why" }, t("steward.why")), input], confirm, cancel: t("cancel"), danger: true });
    return form && String(form.get("why"));
  }

  async function admit(number_, admitted, bound) {
    let why = "";
    if (!admitted) {
      why = await reason(t("steward.confirm.bar", { name: nameOf(number_) }), t("steward.confirm.bar.text"), t("steward.bar"));
      if (why === null) return;
    }
    await attempt("admit", { account: number_, admitted, limit: bound, why }, admitted ? "steward.done.admit" : "steward.done.bar");
  }

  async function decide(one, accept) {
    let why = "";
    if (!accept) {
      why = await reason(t("steward.confirm.bid", { name: nameOf(one.account), lot: one.lot }), t("steward.confirm.bid.text"), t("steward.void_bid"));
      if (why === null) return;
    }
    await attempt(`bids/${one.bid}/decide`, { accept, why }, accept ? "steward.done.take" : "steward.done.void_bid");
  }

  async function end() {
    const why = await reason(t("operator.confirm.end", { title: sale.title }), t(sale.mechanism === "english" ? "operator.confirm.end.text" : "steward.confirm.end.text"), t("steward.end"));
    if (why !== null) await attempt("end", { why }, "operator.done.end");
  }

  async function voidSale() {
    const why = await reason(t("steward.confirm.void", { title: sale.title }), t("steward.confirm.void.text"), t("steward.void"));
    if (why !== null) await attempt("void", { why }, "steward.done.void");
  }

  readAccounts();
  return { node, draw };
}

/** Bids as DECIDE_BID names them, those that wait first, out of the operator's view of any mechanism. */
function bidsOf({ operator }) {
  if (!operator) return [];
  const row = (lot, waits = false) => ([bid, account]) => ({ bid, account, lot, waits });
  return [
    ...(operator.waiting ?? []).map(([bid, account, lot]) => ({ bid, account, lot, waits: true })),
    ...(operator.lots ?? []).flatMap((lot) => (lot.bids ?? lot.takes ?? lot.pressed ?? []).map(row(lot.lot))),
    ...(operator.bidders ?? []).filter((one) => one.word).map((one) => ({ bid: one.word, account: one.account, lot: 0, waits: false })),
    ...(operator.bids instanceof Array ? operator.bids.map((one) => ({ bid: one.bid, account: one.account, lot: one.lot, waits: false })) : []),
    ...(operator.sets ?? []).map(row(0)),
  ];
}
