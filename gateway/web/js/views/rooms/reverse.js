/** Reverse sales: suppliers bid a buyer's tender down. The lowest minimum leads; minima are secret unless bids are open. */

import { dateTime, number, t } from "../../strings.js";
import { steps } from "./english.js";

export const reverse = {
  lotName: "room.wanted",
  facts: (sale) => [
    [t("room.highest"), `${number(sale.opening)} ${sale.price_unit}`],
    [t("room.decrement"), steps(sale.decrements)],
  ],
  about: (sale) => t(sale.open_bids ? "room.about.reverse.open" : "room.about.reverse", { time: dateTime(sale.ends) }),
  due: (sale) => ({ label: t("sale.clock"), due: soonest(sale, "clock_due") ?? sale.ends, seconds: null }),
  lotDue: (sale, lot) => sale.scope !== "all" && lot.clock_due,
  secret: (sale) => (sale.open_bids ? "" : t("room.secret.reverse")),
  extra: { label: () => t("sale.bids"), text: (sale, lot) => number(String(lot.bids)) },
  yoursLabel: () => t("room.your_minimum"),
  priced: (sale, lot) => (lot.state === "not_bought" ? null : lot.price),
  price: (sale, lot) => (lot.price != null ? number(lot.price) : lot.state === "not_bought" ? t("room.not_bought") : t("sale.nobid"))
    + (lot.ceiling && lot.state === "open" ? ` ${t("room.ceiling", { price: number(lot.ceiling) })}` : ""),
  mine: (sale, lot, own) => (own.your_minimum == null ? "" : number(own.your_minimum)),
  standing(sale, lot, own) {
    if (own.you_buy) return { text: t("room.you_buy"), tone: "" };
    if (own.your_minimum == null) return { text: "", tone: "" };
    if (lot.state === "bought") return own.you_won ? { text: t("room.bought_from_you"), tone: "leading" } : { text: t("room.bought"), tone: "outbid" };
    if (lot.state === "not_bought") return { text: "", tone: "" };
    return own.you_lead ? { text: t("sale.leading"), tone: "leading" } : { text: t("room.underbid"), tone: "outbid" };
  },
  controls(sale, lot, own) {
    if (lot.state !== "open") return null;
    const most = (own.you_lead ? lot.price : lot.maximum_bid) ?? "";
    const offer = (price, bags) => ({ kind: "reverse", lot: lot.lot, minimum: price, ...(bags && { bags }) });
    return {
      placeholder: t("room.at_most", { price: most }),
      label: t("room.minimum.aria", { lot: lot.lot, unit: sale.price_unit }),
      bags: lot.least_bags > 0,
      buttons: [
        { key: "bid", text: t("sale.bid"), aria: t("sale.bid.submit", { lot: lot.lot }), enter: true, priced: true, offer: ({ price, bags }) => offer(price, bags) },
        ...(own.you_lead || !lot.maximum_bid ? [] : [{ key: "next", primary: true, text: t("room.next", { price: number(lot.maximum_bid) }),
          aria: t("room.next.aria", { price: lot.maximum_bid, lot: lot.lot }), offer: ({ bags }) => offer(lot.maximum_bid, bags) }]),
      ],
    };
  },
};

/** The earliest of the lots' times, null when none has one. */
export function soonest(sale, field) {
  return sale.lots.map((lot) => lot[field]).filter(Boolean).sort((a, b) => Date.parse(a) - Date.parse(b))[0] ?? null;
}
