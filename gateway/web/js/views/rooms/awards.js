/** What the account bought and sold in sales: samples to approve with their deadlines, offers, allowances, contracts, splits. */

import { Problem, clientId } from "../../api.js";
import { ask, el, keyed, setText, show } from "../../dom.js";
import { count, currentLanguage, dateTime, number, problemText, t } from "../../strings.js";

const PAGE = 50;
const READ_EVERY_MS = 10_000;
/** Which acts a party may try in a state; the venue decides. */
const ACTS = {
  buyer: { provisional: ["accept", "ask_allowance", "reject", "dispute"], offered: ["accept", "reject"], allowance_asked: ["dispute"] },
  seller: { allowance_asked: ["agree_allowance", "refuse_allowance", "dispute"], provisional: ["dispute"] },
  operator: { disputed: ["decide_accepted", "decide_rejected", "void"], provisional: ["void"], final: ["void"] },
};

export function awardsPanel(state, venue, notify, onKey) {
  const none = el("p", { class: "empty" });
  const list = el("ul", { class: "awards" });
  const more = el("button", { type: "button", class: "plain", on: { click: () => read(last) } }, t("awards.more"));
  const node = el("section", { class: "panel", aria: { label: t("awards") } }, el("h1", {}, t("awards")), none, list, more,
    el("p", { class: "hint" }, state.account ? "" : el("button", { type: "button", class: "plain", on: { click: onKey } }, t("key.use"))));
  let awards = new Map();
  let last = null;

  async function read(before = null) {
    if (!state.account) return draw();
    try {
      const found = await venue.api.get(`awards?limit=${PAGE}${before ? `&before=${before}` : ""}`);
      for (const award of found.awards) awards.set(award.award, award);
      if (before || last === null) last = found.next_before;
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
    }
    draw();
  }

  function draw() {
    const shown = [...awards.values()].sort((a, b) => b.award - a.award);
    setText(none, t(state.account ? "awards.none" : "awards.nokey"));
    show(none, !shown.length);
    show(more, Boolean(last));
    keyed(list, shown, (one) => one.award, () => el("li", { class: "award" }, el("h2", {}), el("p", {}), el("p", { class: "award-state" }),
      el("p", { class: "soft" }), el("div", { class: "row-buttons" })), patch);
  }

  function patch(row, award) {
    const [title, terms, now, past, buttons] = row.children;
    setText(title, `${award.lot_title} · ${award.sale_title}`);
    const other = award.you_are === "buyer" ? award.seller : award.buyer;
    const party = award.you_are === "operator" ? `${award.seller.label} → ${award.buyer.label}` : t(`awards.${award.you_are}`, { name: other.label });
    setText(terms, `${party} · ${count("bags", BigInt(award.bags))} × ${number(award.bag_kg)} kg · ${number(award.price)} ${award.price_unit} · ${number(award.value, 2)} ${award.currency}`);
    setText(now, `${t(`award.${award.state}`)}${award.asked_price ? ` (${number(award.asked_price)})` : ""}${award.due ? ` · ${t("awards.due", { time: dateTime(award.due) })}` : ""}`);
    row.dataset.state = award.state;
    setText(past, (award.shares ?? []).map((share) => `${share.label || share.account}: ${count("bags", BigInt(share.bags))}`).join(" · "));
    if (row.dataset.drawn === JSON.stringify(award)) return;
    row.dataset.drawn = JSON.stringify(award);
    buttons.replaceChildren(
      ...(ACTS[award.you_are][award.state] ?? []).filter(() => state.may(award.you_are === "operator" ? "operate" : "trade")).map((act) =>
        el("button", { type: "button", class: act === "accept" ? "primary" : "plain", on: { click: () => settle(award, act) } }, t(`act.${act}`))),
      ...(award.contract ? [el("button", { type: "button", class: "plain", on: { click: () => contract(award) } }, t("awards.contract", { number: award.contract }))] : []),
      ...(award.you_are === "buyer" && award.contract && state.may("trade")
        ? [el("button", { type: "button", class: "plain", on: { click: () => split(award) } }, t("awards.split"))] : []),
    );
  }

  async function settle(award, act) {
    const priced = act === "ask_allowance";
    const fields = [
      ...(priced ? [el("label", { htmlFor: "act-price" }, t("awards.price", { unit: award.price_unit })),
        el("input", { id: "act-price", name: "price", class: "num", inputMode: "decimal", required: true, autocomplete: "off" })] : []),
      ...(["accept", "agree_allowance"].includes(act) ? [] : [el("label", { htmlFor: "act-why" }, t("steward.why")),
        el("input", { id: "act-why", name: "why", maxLength: 256, autocomplete: "off" })]),
    ];
    const form = await ask({ title: `${t(`act.${act}`)}: ${award.lot_title}`, text: t(`act.text.${act}`), fields, confirm: t(`act.${act}`), cancel: t("cancel"),
      danger: ["reject", "void", "decide_rejected"].includes(act) });
    if (!form) return;
    const decided = /^decide_(.*)/.exec(act)?.[1];
    const body = { act: decided ? "decide" : act, ...(decided && { outcome: decided }), ...(form.get("why") && { why: String(form.get("why")) }),
      ...(priced && { price: String(form.get("price")).trim() }), ...(act === "agree_allowance" && { price: award.asked_price }) };
    await attempt(award, "settle", body);
  }

  async function split(award) {
    const input = el("textarea", { id: "shares", name: "shares", rows: 5, required: true },
      (award.shares ?? []).map((share) => `${share.bags} ${share.label || share.account}`).join("\n"));
    const form = await ask({ title: t("awards.split"), text: t("awards.split.text", { bags: count("bags", BigInt(award.bags)) }),
      fields: [el("label", { htmlFor: "shares" }, t("awards.split.label")), input], confirm: t("awards.split"), cancel: t("cancel") });
    if (!form) return;
    const shares = String(form.get("shares")).split("\n").map((line) => /^\s*(\d+)\s+(.+?)\s*$/.exec(line)).filter(Boolean)
      .map(([, bags, label]) => ({ bags: Number(bags), label }));
    await attempt(award, "split", { shares });
  }

  async function attempt(award, what, body) {
    try {
      const answer = await venue.api.post(`awards/${award.award}/${what}`, body, clientId("award"));
      awards.set(award.award, answer.award);
      notify("good", "awards.done");
      draw();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      notify("bad", problemText(problem));
    }
  }

  /** The confirmation needs the key, which no link carries: it is fetched, and saved as the page to print that it is. */
  async function contract(award) {
    try {
      const answer = await fetch(new URL(`v1/awards/${award.award}/contract?lang=${currentLanguage()}`, document.baseURI),
        { headers: { Accept: "text/html", Authorization: `Bearer ${venue.api.key}` }, cache: "no-store" });
      if (!answer.ok) throw new Error(answer.statusText);
      const address = URL.createObjectURL(await answer.blob());
      el("a", { href: address, download: `${award.contract}.html` }).click();
      URL.revokeObjectURL(address);
    } catch {
      notify("bad", "problem.unreachable");
    }
  }

  draw();
  read();
  const timer = setInterval(() => read(), READ_EVERY_MS);
  const stop = state.listen(["account"], () => {
    awards = new Map();
    last = null;
    read();
  });
  return {
    node,
    stop() {
      clearInterval(timer);
      stop();
    },
  };
}
