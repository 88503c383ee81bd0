/** What belongs to the holder of the key: open orders, each with its cancel, and executions with their exact value. */

import { Problem } from "../api.js";
import { el, keyed, panel, setText, show } from "../dom.js";
import { lots, shown, valueText } from "../state.js";
import { clockTime, problemText, t } from "../strings.js";

const FILLS_SHOWN = 30;

const head = (prefix, ...columns) => el("thead", {}, el("tr", {}, ...columns.map((key) =>
  el("th", { scope: "col", class: key }, key === "do" ? el("span", { class: "unseen" }, t("orders.cancel")) : t(`${prefix}.${key}`)))));

/** Side and instrument, one under the other. */
const what = ({ side, instrument }) => el("td", { class: "what" }, el("span", { class: `side-word ${side}` }, t(`order.${side}`)),
  el("span", { class: "symbol" }, instrument));

export function ordersPanel(state, venue, notify) {
  const empty = el("p", { class: "empty" }, t("orders.empty"));
  const body = el("tbody", {});
  const table = el("table", { class: "list own" }, head("orders", "order", "price", "open", "do"), body);
  const { section } = panel("orders", t("orders"), empty, el("div", { class: "scroll" }, table));

  function make(order) {
    const open = el("td", { class: "num open" });
    const price = el("td", { class: "num price" });
    const cancel = el("button", { type: "button", class: "plain", on: { click: () => withdraw(row) } }, t("orders.cancel"));
    const row = el(
      "tr",
      {},
      what(order),
      price,
      open,
      el("td", { class: "do" }, cancel),
    );
    return Object.assign(row, { parts: { open, price, cancel } });
  }

  function patch(row, order) {
    const instrument = state.instruments.get(order.instrument);
    row.order = order;
    const price = order.price == null || !instrument ? t("orders.market") : shown(instrument, order.price);
    setText(row.parts.price, price);
    const whole = order.quantity === order.open_quantity;
    const open = instrument ? lots(instrument, order.open_quantity) : order.open_quantity;
    setText(row.parts.open, whole ? open : t("orders.of", { open: order.open_quantity, qty: instrument ? lots(instrument, order.quantity) : order.quantity }));
    row.parts.cancel.setAttribute("aria-label", t("orders.cancel.aria",
      { side: t(`order.${order.side}`), qty: open, symbol: order.instrument, price }));
  }

  async function withdraw(row) {
    const { order } = row;
    row.parts.cancel.disabled = true;
    try {
      await venue.cancelOrder(order);
      const instrument = state.instruments.get(order.instrument);
      notify("good", "orders.cancelled", { side: t(`order.${order.side}`), qty: lots(instrument, order.open_quantity), symbol: order.instrument });
      state.orders.delete(order.order_id);
      state.changed("orders");
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (problem.code === "order_unknown") {
        state.orders.delete(order.order_id);
        state.changed("orders");
      }
      notify("bad", problemText(problem));
    } finally {
      row.parts.cancel.disabled = false;
    }
  }

  function draw() {
    show(section, state.may("trade"));
    const orders = [...state.orders.values()].reverse();
    show(empty, !orders.length);
    show(table, orders.length > 0);
    keyed(body, orders, (order) => order.order_id, make, patch);
  }

  draw();
  return { node: section, stop: state.listen(["orders", "account", "instruments"], draw) };
}

export function fillsPanel(state) {
  const empty = el("p", { class: "empty" }, t("fills.empty"));
  const body = el("tbody", {});
  const table = el("table", { class: "list own" }, head("fills", "time", "trade", "price", "value"), body);
  const { section } = panel("fills", t("fills"), empty, el("div", { class: "scroll" }, table));

  function make(fill) {
    const parts = { price: el("td", { class: "num price" }), qty: el("span", {}), value: el("span", { class: "value" }) };
    const row = el(
      "tr",
      {},
      el("td", { class: "num time" }, clockTime(fill.ts_engine)),
      what(fill),
      parts.price,
      el("td", { class: "num value" }, parts.qty, parts.value),
    );
    return Object.assign(row, { parts });
  }

  /** What needs the instrument, which may be listed after its fills have arrived. */
  function patch({ parts }, fill) {
    const instrument = state.instruments.get(fill.instrument);
    setText(parts.price, instrument ? shown(instrument, fill.price) : fill.price);
    setText(parts.qty, instrument ? lots(instrument, fill.quantity) : fill.quantity);
    setText(parts.value, instrument ? valueText(instrument, fill.price, fill.quantity) : "");
  }

  function draw() {
    show(section, state.may("trade"));
    show(empty, !state.fills.length);
    show(table, state.fills.length > 0);
    keyed(body, state.fills.slice(0, FILLS_SHOWN), (fill) => `${fill.fill_id} ${fill.order_id}`, make, patch);
  }

  draw();
  return { node: section, stop: state.listen(["fills", "account", "instruments"], draw) };
}
