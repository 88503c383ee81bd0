/** Sealed bids: nobody sees a bid, nor how many there are, before the keys open them. */

import { el, show } from "../../dom.js";
import { count, dateTime, number, t } from "../../strings.js";

export const sealed = {
  totals: false,
  facts: (sale) => [
    [t("sale.opening"), `${number(sale.opening)} ${sale.price_unit}`],
    [t("room.payment"), t(`payment.${sale.payment}`)],
  ],
  about: (sale) => t(`room.about.sealed.${sale.phase}`, { time: dateTime(sale.closes), keys: dateTime(sale.keys_due) }),
  due: (sale) => (sale.phase === "keys" ? { label: t("room.keys_until"), due: sale.keys_due } : { label: t("room.bids_until"), due: sale.closes }),
  secret: () => t("room.secret.sealed"),
  extra: { label: () => t("room.sold_bags"), text: (sale, lot) => (lot.sold_bags ? number(String(lot.sold_bags)) : "–") },
  yoursLabel: () => t("room.your_bid"),
  priced: () => null,
  price: (sale, lot) => (lot.results.length ? lot.results.map((one) => `${number(one.price)}${lot.least_bags ? ` × ${number(String(one.bags))}` : ""}`).join(" · ")
    : lot.state === "passed_in" ? t("sale.passed_in") : t("room.from", { price: number(lot.opening) })),
  mine: (sale, lot, own) => (own.you_won_bags ? count("bags", BigInt(own.you_won_bags)) : ""),
  standing: (sale, lot, own) => (own.you_sell ? { text: t("sale.selling"), tone: "" }
    : own.you_won_bags ? { text: t("sale.sold.you"), tone: "leading" } : { text: "", tone: "" }),
  controls(sale, lot) {
    if (sale.phase !== "bids") return null;
    return {
      placeholder: t("sale.bid.least", { price: lot.opening }),
      label: t("room.sealed.aria", { lot: lot.lot, unit: sale.price_unit }),
      bags: lot.least_bags > 0,
      buttons: [{ key: "seal", primary: true, enter: true, priced: true, text: t("room.seal"), aria: t("room.seal.aria", { lot: lot.lot }),
        offer: ({ price, bags }) => ({ kind: "sealed", lot: lot.lot, steps: [{ lot: lot.lot, price, bags: bags || lot.bags }] }) }],
    };
  },
  /** The account's own bids: that they lie sealed; what is in them once they are opened. */
  whole(id, state) {
    const title = el("h2", {}, t("room.your_bids"));
    const list = el("ul", { class: "plain-list" });
    const node = el("div", { class: "whole" }, title, list);
    return {
      node,
      draw(sale) {
        const bids = state.ownOf(id, 0).your_bids ?? [];
        show(node, bids.length > 0);
        list.replaceChildren(...bids.map((bid) => el("li", {}, bid.lot ? t("room.bid.lot", { lot: bid.lot }) : t("room.bid.any"), ": ",
          bid.void ? t("room.bid.void") : bid.steps.length
            ? bid.steps.map((step) => `${count("bags", BigInt(step.bags))} × ${number(step.price)} ${sale.price_unit}`).join(", ")
            : t("room.bid.sealed"))));
      },
    };
  },
};
