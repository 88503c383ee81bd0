/**
 * The clock with quantities: prices by product and month rise round by round while more is wanted than there is. The
 * account says how many bags it wants of each at these prices, or leaves an instruction that says so for it.
 */

import { el, keyed, setText, show } from "../../dom.js";
import { count, duration, number, t } from "../../strings.js";

export const clock = {
  totals: false,
  lotName: "room.product",
  facts: (sale) => [
    [t("room.round"), sale.round ? `${number(String(sale.round))} / ${number(String(sale.rounds_max))}` : "–"],
    [t("room.step_bags"), number(String(sale.step_bags))],
    [t("room.rises"), rises(sale)],
  ],
  about: (sale) => t("room.about.clock", { time: duration(sale.round_seconds * 1000) }),
  due: (sale) => ({ label: t("room.round_ends", { round: sale.round }), due: sale.round_due, seconds: sale.round_seconds }),
  secret: () => t("room.secret.clock"),
  extra: {
    label: () => t("room.demand"),
    text: (sale, lot) => (lot.sold_bags ? t("room.sold_n", { n: number(String(lot.sold_bags)) }) : lot.demand == null ? "–"
      : sale.show_demand === "excess" ? t("room.excess", { n: number(String(lot.demand)) }) : number(String(lot.demand))),
  },
  yoursLabel: () => t("room.yours.clock"),
  priced: () => null,
  price: (sale, lot) => `${number(lot.price)}${lot.state === "decided" ? ` · ${t("room.decided")}` : lot.state === "passed_in" ? ` · ${t("sale.passed_in")}` : ""}`,
  mine: (sale, lot, own) => (own.your_word != null ? count("bags", BigInt(own.your_word)) : own.your_bags ? count("bags", BigInt(own.your_bags)) : ""),
  standing: (sale, lot, own) => (own.you_sell ? { text: t("sale.selling"), tone: "" }
    : sale.stage === "finished" ? own.your_bags ? { text: t("sale.sold.you"), tone: "leading" } : { text: "", tone: "" }
    : own.your_word != null ? { text: t("room.said"), tone: "leading" }
    : own.your_bags ? { text: t("room.last_round"), tone: "" } : { text: "", tone: "" }),
  whole,
};

const rises = (sale) => sale.rises.map(({ excess_bps: bps, increment }, at) =>
  (at ? t("room.rise_from", { percent: number(String(bps / 100)), increment: number(increment) }) : number(increment))).join(", ");

/** One form for all products: the quantities of this round, what the activity rule leaves, and the instruction. */
function whole(id, state, send) {
  const legend = el("h2", {});
  const body = el("div", { class: "quantities" });
  const sum = el("p", { class: "activity", role: "status" });
  const problem = el("p", { class: "field-problem", role: "status" });
  const submit = el("button", { type: "submit", class: "primary" });
  const keep = el("button", { type: "button", class: "plain", on: { click: keepAll } }, t("room.keep_all"));
  const form = el("form", { class: "whole", noValidate: true, autocomplete: "off", on: { submit: (event) => {
    event.preventDefault();
    say();
  } } }, legend, body, sum, el("div", { class: "row-buttons" }, submit, keep), problem);
  const proxyBody = el("div", { class: "quantities" });
  const proxyProblem = el("p", { class: "field-problem", role: "status" });
  const proxy = el("details", { class: "proxy" }, el("summary", {}, t("room.proxy")), el("p", { class: "hint" }, t("room.proxy.text")),
    el("form", { noValidate: true, autocomplete: "off", on: { submit: (event) => {
      event.preventDefault();
      instruct();
    } } }, proxyBody, el("div", { class: "row-buttons" }, el("button", { type: "submit", class: "plain" }, t("room.proxy.set")),
      el("button", { type: "button", class: "plain", on: { click: () => send({ kind: "clock_proxy", limits: [] }, proxyProblem) } }, t("room.proxy.drop")))),
    proxyProblem);
  const node = el("div", {}, form, proxy);
  let sale = null;
  let round = 0; // for which the fields were filled in

  const held = (lot) => { const own = state.ownOf(id, lot.lot); return own.your_word ?? own.your_bags ?? 0; };
  const inputs = () => [...body.querySelectorAll("input")];
  const wanted = () => inputs().map((input) => Number(input.value.trim() || 0));
  const most = () => sale.lots.reduce((all, lot) => all + (state.ownOf(id, lot.lot).your_bags ?? 0), 0);

  function draw(now, may) {
    sale = now;
    const running = may && now.stage === "live" && Boolean(now.round_due);
    show(form, running);
    show(proxy, may && now.stage === "live");
    if (!may) return;
    setText(legend, t("room.quantities", { round: now.round }));
    setText(submit, t("room.say", { round: now.round }));
    show(keep, now.round > 1);
    const fill = round !== now.round;
    round = now.round;
    keyed(body, now.lots, (lot) => lot.lot, (lot) => field(`clock-${lot.lot}`, "numeric", activity), (row, lot) => {
      const input = row.querySelector("input");
      setText(row.querySelector("label"), `${lot.title} · ${number(lot.price)} ${now.price_unit}`);
      input.step = now.step_bags;
      input.disabled = lot.state !== "open" || Boolean(state.ownOf(id, lot.lot).you_sell);
      if (fill || (input !== document.activeElement && !input.dataset.typed)) {
        input.value = String(held(lot));
        delete input.dataset.typed;
      }
    });
    keyed(proxyBody, now.lots, (lot) => lot.lot, (lot) => field(`proxy-${lot.lot}`, "text"), (row, lot) => {
      const input = row.querySelector("input");
      setText(row.querySelector("label"), lot.title);
      input.placeholder = t("room.proxy.example", { price: lot.price });
      const rows = state.ownOf(id, lot.lot).your_proxy ?? [];
      if (input !== document.activeElement && !input.dataset.typed) input.value = rows.map((one) => `${one.bags}@${one.price}`).join(" ");
    });
    activity();
  }

  /** What the activity rule leaves: the total of the last round, from the second round on. */
  function activity() {
    const total = wanted().reduce((all, bags) => all + (Number.isFinite(bags) ? bags : 0), 0);
    const limit = sale.round > 1 ? most() : null;
    setText(sum, limit === null ? t("room.activity.first", { total: count("bags", BigInt(Math.trunc(total))) })
      : t("room.activity", { total: number(String(total)), most: count("bags", BigInt(limit)), left: number(String(limit - total)) }));
    sum.dataset.tone = limit !== null && total > limit ? "bad" : "";
  }

  function keepAll() {
    for (const [at, input] of inputs().entries()) input.value = String(state.ownOf(id, sale.lots[at].lot).your_bags ?? 0);
    activity();
  }

  async function say() {
    const bags = wanted();
    if (bags.some((one) => !Number.isInteger(one) || one < 0)) {
      setText(problem, t("problem.bags_range"));
      return;
    }
    if (await send({ kind: "clock", round: sale.round, bags }, problem)) for (const input of inputs()) delete input.dataset.typed;
  }

  /** "40@210.00 20@220.00": up to 210.00 forty bags, up to 220.00 twenty. */
  async function instruct() {
    const limits = [];
    for (const input of proxyBody.querySelectorAll("input")) {
      const rows = input.value.trim().split(/[\s,;]+/).filter(Boolean).map((part) => /^(\d+)@([\d.]+)$/.exec(part));
      if (rows.includes(null)) {
        setText(proxyProblem, t("room.proxy.unreadable", { text: input.value }));
        input.focus();
        return;
      }
      limits.push(rows.map(([, bags, price]) => ({ price, bags: Number(bags) })));
    }
    if (await send({ kind: "clock_proxy", limits }, proxyProblem)) for (const input of proxyBody.querySelectorAll("input")) delete input.dataset.typed;
  }

  return { node, draw };
}

/** A labelled field of the form; what is typed stays until it is sent. */
function field(id, inputMode, typed = () => {}) {
  const input = el("input", { id, class: "num", inputMode, autocomplete: "off", spellcheck: false });
  input.addEventListener("input", () => {
    input.dataset.typed = "yes";
    typed();
  });
  return el("div", { class: "field" }, el("label", { htmlFor: id }), input);
}
