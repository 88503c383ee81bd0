/** English sales, Helmsman and timed: secret maxima, one price a lot, clocks that a bid sets back. */

import { clockTime, count, dateTime, duration, number, t } from "../../strings.js";

export const english = {
  prebids: true,
  totals: true,
  facts: (sale) => [
    [t("sale.opening"), `${number(sale.opening)} ${sale.price_unit}`],
    [t("sale.increment"), steps(sale.increments ?? [{ start: "0", increment: sale.increment }])],
  ],
  about(sale) {
    if (sale.style === "timed") return t(`sale.about.timed.${sale.scope}`, { time: dateTime(sale.ends), overtime: duration(sale.clock_seconds * 1000) });
    if (sale.state === "pending") return t(`sale.about.pending`, { clock: duration(sale.clock_seconds * 1000) });
    return t("sale.about.open", { time: clockTime(sale.open_until) });
  },
  due(sale) {
    if (sale.clock_due) return { label: t(sale.scope === "all" ? "sale.clock" : "room.clock.next"), due: sale.clock_due, seconds: sale.clock_seconds };
    const missing = sale.lots.filter((lot) => lot.state === "open" && lot.price == null).length;
    const label = t(`sale.state.${sale.state}`);
    return missing ? { label, words: t("sale.clock.waiting", { missing: count("auction_lots", BigInt(missing)) }) }
      : { label, words: duration((sale.clock_seconds ?? 0) * 1000) };
  },
  lotDue: (sale, lot) => sale.scope !== "all" && lot.clock_due,
  secret: (sale) => t(sale.approve_bids ? "room.secret.approve" : "sale.secret"),
  extra: { label: () => t("sale.bids"), text: (sale, lot) => number(String(lot.bids)) },
  yoursLabel: () => t("sale.yours"),
  priced: (sale, lot) => (lot.state === "passed_in" ? null : lot.price),
  price: (sale, lot) => (lot.price != null ? number(lot.price) : lot.state === "passed_in" ? t("sale.passed_in") : t("sale.nobid"))
    + (lot.reserve && lot.state === "open" ? ` ${t("room.reserve", { price: number(lot.reserve) })}` : ""),
  mine: (sale, lot, own) => (own.your_maximum == null ? own.your_reserve ? t("room.reserve", { price: number(own.your_reserve) }) : ""
    : `${number(own.your_maximum)}${lot.least_bags && own.your_bags ? ` · ${count("bags", BigInt(own.your_bags))}` : ""}`),
  standing(sale, lot, own) {
    if (own.you_sell) return { text: t("sale.selling"), tone: "" };
    if (own.your_maximum == null) return { text: "", tone: "" };
    if (lot.state === "sold") return own.you_won ? { text: t("sale.sold.you"), tone: "leading" } : { text: t("sale.sold"), tone: "outbid" };
    if (lot.state === "passed_in") return { text: "", tone: "" };
    return own.you_lead ? { text: t("sale.leading"), tone: "leading" } : { text: t("sale.outbid"), tone: "outbid" };
  },
  /** The least that can be bid now stands ready on a button; a leader may go down to the price. */
  controls(sale, lot, own) {
    if (lot.state !== "open") return null;
    const least = (own.you_lead ? lot.price : lot.minimum_bid) ?? "";
    const offer = (price, bags) => ({ kind: "english", lot: lot.lot, maximum: price, ...(bags && { bags }) });
    return {
      placeholder: t("sale.bid.least", { price: least }),
      label: t("sale.bid.aria", { lot: lot.lot, unit: sale.price_unit }),
      bags: lot.least_bags > 0,
      buttons: [
        { key: "bid", text: t("sale.bid"), aria: t("sale.bid.submit", { lot: lot.lot }), enter: true, priced: true, offer: ({ price, bags }) => offer(price, bags) },
        ...(own.you_lead || !lot.minimum_bid ? [] : [{ key: "next", primary: true, text: t("room.next", { price: number(lot.minimum_bid) }),
          aria: t("room.next.aria", { price: lot.minimum_bid, lot: lot.lot }), offer: ({ bags }) => offer(lot.minimum_bid, bags) }]),
      ],
    };
  },
};

/** "0.10, from 5.00 on 0.25" */
export function steps(rows) {
  return rows.map(({ start, increment }, at) => (at ? t("room.step_from", { start: number(start), increment: number(increment) }) : number(increment))).join(", ");
}
