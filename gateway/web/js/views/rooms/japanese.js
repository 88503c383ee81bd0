/** Japanese clocks: the price rises while two or more hold; who lets go is out for good. */

import { duration, number, t } from "../../strings.js";
import { soonest } from "./reverse.js";

export const japanese = {
  totals: true,
  facts: (sale) => [
    [t("sale.opening"), `${number(sale.opening)} ${sale.price_unit}`],
    [t("room.rises"), t("room.falls.by", { step: number(sale.increment), time: duration(sale.interval_seconds * 1000) })],
  ],
  about: () => t("room.about.japanese"),
  due(sale) {
    const joining = sale.lots.some((lot) => lot.state === "joining");
    return { label: t(joining ? "room.joining_ends" : "room.rises_in"), due: soonest(sale, "due"),
      seconds: joining ? sale.joining_seconds : sale.interval_seconds };
  },
  lotDue: (sale, lot) => lot.due,
  secret: () => t("room.secret.japanese"),
  extra: { label: () => t("room.holders"), text: (sale, lot) => (lot.holders == null ? "–" : number(String(lot.holders))) },
  yoursLabel: () => t("room.your_button"),
  priced: (sale, lot) => lot.price,
  price: (sale, lot) => (lot.price != null ? number(lot.price) : lot.state === "passed_in" ? t("sale.passed_in") : number(lot.opening)),
  mine: (sale, lot, own) => (own.your_limit ? t("room.limit", { price: number(own.your_limit) })
    : own.you_let_go ? t("room.let_go_at", { price: number(own.you_let_go) }) : own.you_hold ? "●" : ""),
  standing(sale, lot, own) {
    if (own.you_sell) return { text: t("sale.selling"), tone: "" };
    if (own.you_won) return { text: t("sale.sold.you"), tone: "leading" };
    if (own.you_hold) return { text: t("room.you_hold"), tone: "leading" };
    return own.you_let_go ? { text: t("room.you_let_go"), tone: "" } : { text: "", tone: "" };
  },
  controls(sale, lot, own) {
    const offer = (hold, price) => ({ kind: "japanese", lot: lot.lot, hold, ...(hold && price && { limit: price }) });
    if (own.you_hold && (lot.state === "joining" || lot.state === "rising")) {
      return { placeholder: null, buttons: [{ key: "go", text: t("room.let_go"), aria: t("room.let_go.aria", { lot: lot.lot }), offer: () => offer(false) }] };
    }
    if (lot.state !== "joining" || own.you_let_go) return null;
    return { placeholder: t("room.limit.optional"), label: t("room.limit.aria", { lot: lot.lot, unit: sale.price_unit }),
      buttons: [{ key: "hold", primary: true, enter: true, text: t("room.hold"), aria: t("room.hold.aria", { lot: lot.lot }), offer: ({ price }) => offer(true, price) }] };
  },
};
