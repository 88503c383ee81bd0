/** The public trades of the selected instrument, newest first. */

import { el, keyed, panel, show } from "../dom.js";
import { shown } from "../state.js";
import { clockTime, number, t } from "../strings.js";

const SHOWN = 25;

export function tradesPanel(state) {
  const empty = el("p", { class: "empty" }, t("trades.empty"));
  const body = el("tbody", {});
  const columns = ["time", "price", "qty", "kind"];
  const table = el(
    "table",
    { class: "list" },
    el("thead", {}, el("tr", {}, ...columns.map((key) => el("th", { scope: "col", class: key }, t(`trades.${key}`))))),
    body,
  );
  const { section } = panel("trades", t("trades"), empty, el("div", { class: "scroll" }, table));

  function kindOf(trade) {
    if (trade.kind === "call") return t("trades.call");
    return trade.side ? t(`trades.continuous.${trade.side}`) : t("trades.continuous");
  }

  function make(trade) {
    const { instrument } = state;
    const row = el(
      "tr",
      { class: trade.kind === "call" ? "call" : (trade.side ?? "") },
      el("td", { class: "num time" }, clockTime(trade.ts_engine)),
      el("td", { class: "num price" }, shown(instrument, trade.price)),
      el("td", { class: "num qty" }, number(trade.quantity)),
      el("td", { class: "kind" }, kindOf(trade)),
    );
    row.title = trade.ts_engine;
    return row;
  }

  function draw() {
    show(section, Boolean(state.instrument));
    const trades = state.trades;
    show(empty, trades?.length === 0);
    show(table, Boolean(trades?.length));
    if (!state.instrument) return;
    keyed(body, (trades ?? []).slice(0, SHOWN), (trade) => `${state.selected} ${trade.trade_id}`, make, () => {});
  }

  draw();
  return { node: section, stop: state.listen(["trades", "selected"], draw) };
}
