/**
 * For the operator's key: move instruments between phases, halt them, clear calls, end sales, freeze accounts, stop the
 * whole venue. Each asks before it is sent.
 */

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
  const stopText = el("p", { class: "phase-about", role: "status" });
  const stopButton = el("button", { type: "button", class: "danger kill-switch", on: { click: switchVenue } });
  const accountsBody = el("tbody", {});
  const accounts = el("table", { class: "list accounts" }, el("caption", {}, t("operator.accounts")), accountsBody);
  const content = el("div", {}, el("p", { class: "phase-about" }, t("operator.text")),
    el("div", { class: "row-buttons kill" }, stopButton, stopText), el("div", { class: "scroll" }, table), sales, accounts);
  let known = []; // accounts, as they were last read
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

  async function switchVenue() {
    const on = !state.stopped;
    const sure = await ask({
      title: t(on ? "operator.confirm.stop" : "operator.confirm.go_on"),
      text: t(on ? "operator.confirm.stop.text" : "operator.confirm.go_on.text"),
      confirm: t(on ? "operator.stop" : "operator.go_on"),
      cancel: t("cancel"),
      danger: on,
    });
    if (sure) await attempt(() => venue.setStopped(on), on ? "operator.done.stop" : "operator.done.go_on");
  }

  async function freeze(account) {
    const frozen = !account.frozen;
    const names = { label: account.label };
    const sure = await ask({
      title: t(frozen ? "operator.confirm.freeze" : "operator.confirm.thaw", names),
      text: t(frozen ? "operator.confirm.freeze.text" : "operator.confirm.thaw.text"),
      confirm: t(frozen ? "operator.freeze" : "operator.thaw"),
      cancel: t("cancel"),
      danger: frozen,
    });
    if (!sure) return;
    await attempt(() => venue.setFrozen(account.account, frozen), frozen ? "operator.done.freeze" : "operator.done.thaw", names);
    await readAccounts();
  }

  async function readAccounts() {
    if (!state.may("operate")) return;
    try {
      known = await venue.accounts();
      draw();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
    }
  }

  async function move(row, phase = row.parts.select.value) {
    const { instrument } = row;
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
    if (sure) await attempt(() => venue.act(sale.sale_id, "end", { why: "ended by the operator" }), "operator.done.end");
  }

  function make(instrument) {
    const parts = {
      phase: el("span", { class: "phase" }),
      next: el("td", { class: "num" }),
      select: el("select", { aria: { label: `${t("operator.move")}: ${instrument.symbol}` } }),
      uncross: el("div", { class: "row-buttons" }, ...UNCROSS_TO.map((phase) =>
        el("button", { type: "button", class: "plain", aria: { label: `${t("operator.uncross")} ${t(`phase.${phase}`)}: ${instrument.symbol}` },
          on: { click: () => uncross(row, phase) } }, t(`phase.${phase}`)))),
      halt: el("button", { type: "button", class: "plain", aria: { label: `${t("operator.halt")}: ${instrument.symbol}` },
        on: { click: () => move(row, "halted") } }, t("operator.halt")),
      none: el("span", { class: "soft" }, t("operator.uncross.none")),
    };
    const row = el(
      "tr",
      {},
      el("th", { scope: "row" }, instrument.symbol),
      el("td", {}, parts.phase),
      parts.next,
      el("td", {}, el("div", { class: "row-buttons" }, parts.select,
        el("button", { type: "button", class: "plain", on: { click: () => move(row) } }, t("operator.go")), parts.halt)),
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
    show(parts.halt, instrument.phase !== "halted");
    show(parts.uncross, CALL_PHASES.has(instrument.phase));
    show(parts.none, !CALL_PHASES.has(instrument.phase));
  }

  function draw() {
    const may = state.may("operate");
    show(forbidden, !may);
    show(content, may);
    if (!may) return;
    setText(stopButton, t(state.stopped ? "operator.go_on" : "operator.stop"));
    setText(stopText, state.stopped ? t("operator.stopped") : "");
    keyed(body, [...state.instruments.values()], (one) => one.symbol, make, patch);
    keyed(accountsBody, known, (one) => one.account, (one) => el("tr", {}, el("th", { scope: "row" }, one.label),
      el("td", {}), el("td", {}, el("button", { type: "button", class: "plain" }))), (row, one) => {
      setText(row.children[1], one.frozen ? t("operator.frozen") : "");
      const button = row.querySelector("button");
      setText(button, t(one.frozen ? "operator.thaw" : "operator.freeze"));
      button.setAttribute("aria-label", `${button.textContent}: ${one.label}`);
      button.onclick = () => freeze(one);
    });
    const running = [...state.sales.values()].filter((sale) => sale.state !== "finished");
    show(sales, running.length > 0);
    keyed(salesBody, running, (sale) => sale.sale_id, (sale) => el("tr", {}, el("th", { scope: "row" }, sale.title), el("td", {}),
      el("td", {}, el("button", { type: "button", class: "plain", on: { click: () => endSale(sale) } }, t("operator.end")))),
    (row, sale) => setText(row.children[1], t(`sale.state.${sale.state}`)));
  }

  draw();
  readAccounts();
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
