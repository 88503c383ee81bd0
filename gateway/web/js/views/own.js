/** What belongs to the holder of the key: open orders, each with its change and cancel, and executions with their value. */

import { Problem } from "../api.js";
import { toLots } from "../decimal.js";
import { ask, el, keyed, panel, setText, show } from "../dom.js";
import { lotText, lots, shown, valueText } from "../state.js";
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
  const { section, aside } = panel("orders", t("orders"), empty, el("div", { class: "scroll" }, table));
  const cancelAll = el("button", { type: "button", class: "plain", on: { click: withdrawAll } }, t("orders.cancel_all"));
  aside.append(cancelAll);

  function make(order) {
    const open = el("td", { class: "num open" });
    const price = el("td", { class: "num price" });
    const cancel = el("button", { type: "button", class: "plain", on: { click: () => withdraw(row) } }, t("orders.cancel"));
    const amend = el("button", { type: "button", class: "plain", on: { click: () => change(row) } }, t("orders.amend"));
    const terms = el("span", { class: "terms" });
    const about = what(order);
    about.append(terms);
    const row = el(
      "tr",
      {},
      about,
      price,
      open,
      el("td", { class: "do" }, el("div", { class: "row-buttons" }, amend, cancel)),
    );
    return Object.assign(row, { parts: { open, price, cancel, amend, terms } });
  }

  function patch(row, order) {
    const instrument = state.instruments.get(order.instrument);
    row.order = order;
    const price = order.price == null || !instrument ? t("orders.market") : shown(instrument, order.price);
    setText(row.parts.price, price);
    const whole = order.quantity === order.open_quantity;
    const open = instrument ? lots(instrument, order.open_quantity) : order.open_quantity;
    setText(row.parts.open, whole ? open : t("orders.of", { open: order.open_quantity, qty: instrument ? lots(instrument, order.quantity) : order.quantity }));
    setText(row.parts.terms, terms(order, instrument));
    const names = { side: t(`order.${order.side}`), qty: open, symbol: order.instrument, price };
    row.parts.cancel.setAttribute("aria-label", t("orders.cancel.aria", names));
    row.parts.amend.setAttribute("aria-label", t("orders.amend.aria", names));
  }

  /** What is not plain about an order: its type, what of it is shown, what it waits for, how long it stays. */
  function terms(order, instrument) {
    const type = order.order_type ?? order.type;
    const parts = [];
    if (order.stop_price != null) parts.push(t("orders.stop", { price: instrument ? shown(instrument, order.stop_price) : order.stop_price }));
    else if (type !== "limit" && type !== "market") parts.push(t(`type.${type}`));
    if (order.display_quantity != null) parts.push(t("orders.display", { qty: order.display_quantity }));
    if (order.expire_at) parts.push(t("orders.expire", { time: new Date(order.expire_at).toLocaleString() }));
    else if (order.time_in_force !== "gtc") parts.push(t(`tif.${order.time_in_force}`));
    return parts.join(" · ");
  }

  async function change(row) {
    const { order } = row;
    const instrument = state.instruments.get(order.instrument);
    const input = el("input", { id: "amend-qty", name: "quantity", inputMode: "numeric", class: "num", autocomplete: "off", value: order.quantity });
    const form = await ask({
      title: t("orders.amend.title", { side: t(`order.${order.side}`), symbol: order.instrument }),
      text: t("orders.amend.text"),
      fields: [el("div", { class: "field" },
        el("label", { htmlFor: "amend-qty" }, t("ticket.qty", { unit: instrument ? lotText(instrument) : "" })), input)],
      confirm: t("orders.amend"),
      cancel: t("cancel"),
    });
    if (!form) return;
    const quantity = String(form.get("quantity")).trim();
    const { code } = quantity === "0" ? {} : toLots(quantity);
    if (code) {
      notify("bad", problemText({ code }));
      return;
    }
    try {
      const answer = await venue.amendOrder(order, quantity);
      const kept = answer.priority_kept ? "orders.amended.kept" : "orders.amended";
      notify("good", answer.state === "cancelled" ? "orders.amended.away" : kept, { symbol: order.instrument, qty: quantity });
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      notify("bad", problemText(problem));
    }
  }

  async function withdrawAll() {
    const orders = [...state.orders.values()];
    const sure = await ask({
      title: t("orders.cancel_all.title", { count: orders.length }),
      text: t("orders.cancel_all.text"),
      confirm: t("orders.cancel_all"),
      cancel: t("cancel"),
      danger: true,
    });
    if (!sure) return;
    try {
      const report = await venue.cancelAllOrders();
      const left = report.remaining_orders ? "orders.cancel_all.left" : "orders.cancel_all.done";
      notify(report.remaining_orders ? "bad" : "good", left, { count: report.cancelled_orders, left: report.remaining_orders });
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      notify("bad", problemText(problem));
    }
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
    show(cancelAll, orders.length > 0);
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
