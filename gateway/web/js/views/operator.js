/** For the operator's key: move instruments between phases, clear calls, end sales. Each asks before it is sent. */

import { Problem } from "../api.js";
import { ask, el, keyed, setText, show } from "../dom.js";
import { CALL_PHASES, lots, shown } from "../state.js";
import { problemText, t } from "../strings.js";
import { nextMove } from "./heading.js";

/** Which moves the venue takes from each phase (engine/codes.py PHASE_MOVES); others are not offered. */
export const MOVES = {
  closed: ["pre_open", "call", "halted"],
  pre_open: ["call", "closed", "halted"],
  call: ["no_cancel", "frozen", "halted"],
  no_cancel: ["frozen", "halted"],
  frozen: ["call", "halted"],
  continuous: ["call", "closed", "halted"],
  halted: ["pre_open", "call", "closed"],
};
const UNCROSS_TO = ["continuous", "closed"];

export function operatorPanel(state, venue, notify) {
  const forbidden = el("p", { class: "empty" }, t("operator.forbidden"));
  const body = el("tbody", {});
  const columns = [t("instruments.symbol"), t("instruments.phase"), t("operator.next"), t("operator.move"), t("operator.uncross")];
  const table = el("table", { class: "list operate" },
    el("thead", {}, el("tr", {}, ...columns.map((text) => el("th", { scope: "col" }, text)))), body);
  const salesBody = el("tbody", {});
  const sales = el("table", { class: "list" }, el("caption", {}, t("operator.sales")), salesBody);
  const content = el("div", {}, el("p", { class: "phase-about" }, t("operator.text")), el("div", { class: "scroll" }, table), sales);
  const node = el("section", { class: "panel operator", aria: { label: t("operator") } }, el("h1", {}, t("operator")), forbidden, content);

  async function attempt(action, done, names) {
    try {
      await action();
      notify("good", done, names);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      notify("bad", problemText(problem));
    }
  }

  async function move(row) {
    const { instrument, parts } = row;
    const phase = parts.select.value;
    const sure = await ask({
      title: t("operator.confirm.move", { symbol: instrument.symbol, phase: t(`phase.${phase}`) }),
      text: t("operator.confirm.move.text", { from: t(`phase.${instrument.phase}`), about: t(`phase.about.${phase}`) }),
      confirm: t("operator.go"),
      cancel: t("cancel"),
      danger: phase === "halted" || phase === "closed",
    });
    if (!sure) return;
    await attempt(() => venue.movePhase(instrument.symbol, phase), "operator.done.move",
      { symbol: instrument.symbol, phase: t(`phase.${phase}`) });
  }

  async function uncross(row, phase) {
    const { instrument } = row;
    const found = instrument.indication?.price != null;
    const sure = await ask({
      title: t("operator.confirm.uncross", { symbol: instrument.symbol }),
      text: found
        ? t("operator.confirm.uncross.text", { volume: lots(instrument, instrument.indication.volume),
            price: `${shown(instrument, instrument.indication.price)} ${instrument.price_unit}`, phase: t(`phase.${phase}`) })
        : t("operator.confirm.uncross.none", { phase: t(`phase.${phase}`) }),
      confirm: t("operator.uncross.go"),
      cancel: t("cancel"),
      danger: true,
    });
    if (!sure) return;
    await attempt(() => venue.uncross(instrument.symbol, phase), "operator.done.uncross", { symbol: instrument.symbol });
  }

  async function endSale(sale) {
    const sure = await ask({ title: t("operator.confirm.end", { title: sale.title }), text: t("operator.confirm.end.text"),
      confirm: t("operator.end"), cancel: t("cancel"), danger: true });
    if (sure) await attempt(() => venue.endSale(sale.sale_id, "ended by the operator"), "operator.done.end");
  }

  function make(instrument) {
    const parts = {
      phase: el("span", { class: "phase" }),
      next: el("td", { class: "num" }),
      select: el("select", { aria: { label: `${t("operator.move")}: ${instrument.symbol}` } }),
      uncross: el("div", { class: "row-buttons" }, ...UNCROSS_TO.map((phase) =>
        el("button", { type: "button", class: "plain", aria: { label: `${t("operator.uncross")} ${t(`phase.${phase}`)}: ${instrument.symbol}` },
          on: { click: () => uncross(row, phase) } }, t(`phase.${phase}`)))),
      none: el("span", { class: "soft" }, t("operator.uncross.none")),
    };
    const row = el(
      "tr",
      {},
      el("th", { scope: "row" }, instrument.symbol),
      el("td", {}, parts.phase),
      parts.next,
      el("td", {}, el("div", { class: "row-buttons" }, parts.select,
        el("button", { type: "button", class: "plain", on: { click: () => move(row) } }, t("operator.go")))),
      el("td", {}, parts.uncross, parts.none),
    );
    return Object.assign(row, { parts });
  }

  function patch(row, instrument) {
    const { parts } = row;
    row.instrument = instrument;
    setText(parts.phase, t(`phase.${instrument.phase}`));
    if (parts.phase.dataset.phase !== instrument.phase) {
      parts.phase.dataset.phase = instrument.phase;
      parts.select.replaceChildren(...MOVES[instrument.phase].map((phase) => el("option", { value: phase }, t(`phase.${phase}`))));
    }
    setText(parts.next, nextMove(state, instrument));
    show(parts.uncross, CALL_PHASES.has(instrument.phase));
    show(parts.none, !CALL_PHASES.has(instrument.phase));
  }

  function draw() {
    const may = state.may("operate");
    show(forbidden, !may);
    show(content, may);
    if (!may) return;
    keyed(body, [...state.instruments.values()], (one) => one.symbol, make, patch);
    const running = [...state.sales.values()].filter((sale) => sale.state !== "finished");
    show(sales, running.length > 0);
    keyed(salesBody, running, (sale) => sale.sale_id, (sale) => el("tr", {}, el("th", { scope: "row" }, sale.title), el("td", {}),
      el("td", {}, el("button", { type: "button", class: "plain", on: { click: () => endSale(sale) } }, t("operator.end")))),
    (row, sale) => setText(row.children[1], t(`sale.state.${sale.state}`)));
  }

  draw();
  const timer = setInterval(draw, 1000);
  const stop = state.listen(["instruments", "phase", "account", "sales"], draw);
  return {
    node,
    stop() {
      stop();
      clearInterval(timer);
    },
  };
}
