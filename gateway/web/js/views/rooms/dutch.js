/** Dutch sales: the price falls step by step until somebody takes. */

import { count, duration, number, t } from "../../strings.js";
import { soonest } from "./reverse.js";

export const dutch = {
  totals: false,
  facts: (sale) => [
    [t("room.falls"), t("room.falls.by", { step: number(sale.decrement), time: duration(sale.interval_seconds * 1000) })],
  ],
  about: (sale) => t(sale.in_turn ? "room.about.dutch.turn" : "room.about.dutch"),
  due: (sale) => ({ label: t("room.falls_in"), due: soonest(sale, "due"), seconds: sale.interval_seconds }),
  lotDue: (sale, lot) => lot.due,
  extra: { label: () => t("room.left"), text: (sale, lot) => number(String(lot.bags_left)) },
  yoursLabel: () => t("room.yours.dutch"),
  priced: () => null,
  price: (sale, lot) => (lot.price != null ? number(lot.price)
    : lot.state === "waiting" ? t("room.from", { price: number(lot.start) })
    : lot.parts.length ? lot.parts.map((part) => `${number(part.price)}`).join(" · ") : t("sale.passed_in")),
  mine: (sale, lot, own) => (own.your_bags ? count("bags", BigInt(own.your_bags)) : ""),
  standing: (sale, lot, own) => (own.you_sell ? { text: t("sale.selling"), tone: "" }
    : own.your_bags ? { text: t("sale.sold.you"), tone: "leading" } : { text: "", tone: "" }),
  controls(sale, lot) {
    if (lot.state !== "open") return null;
    return {
      placeholder: null,
      bags: lot.least_bags > 0,
      buttons: [{ key: "take", primary: true, enter: true, text: t("room.take", { price: number(lot.price) }),
        aria: t("room.take.aria", { price: lot.price, lot: lot.lot }),
        offer: ({ bags }) => ({ kind: "dutch", lot: lot.lot, price: lot.price, ...(bags && { bags }) }) }],
    };
  },
};
