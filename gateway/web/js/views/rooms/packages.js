/** Package bids: several lots at one price, all or nothing; of a set of packages at most one is won. */

import { el, keyed, setText, show } from "../../dom.js";
import { count, dateTime, number, t } from "../../strings.js";

export const packages = {
  totals: false,
  facts: (sale) => [
    [t("room.payment"), t(`payment.${sale.payment}`)],
    [t("room.step_bags"), number(String(sale.step_bags))],
  ],
  about: (sale) => t(sale.digest ? "room.about.packages.frozen" : "room.about.packages", { time: dateTime(sale.closes), until: dateTime(sale.until) }),
  due: (sale) => (sale.digest ? { label: t("room.solved_until"), due: sale.until } : { label: t("room.bids_until"), due: sale.closes }),
  secret: () => t("room.secret.packages"),
  extra: { label: () => t("room.sold_bags"), text: (sale, lot) => (lot.sold_bags ? number(String(lot.sold_bags)) : "–") },
  yoursLabel: () => t("room.yours.packages"),
  priced: () => null,
  price: (sale, lot) => (lot.state === "passed_in" ? t("sale.passed_in") : t("room.from", { price: number(lot.opening) })),
  mine: () => "",
  standing: (sale, lot, own) => ({ text: own.you_sell ? t("sale.selling") : "", tone: "" }),
  whole,
};

function whole(id, state, send) {
  const own = el("ul", { class: "plain-list" });
  const body = el("div", { class: "quantities" });
  const set = el("input", { id: "package-set", class: "num", inputMode: "numeric", value: "1" });
  const price = el("input", { id: "package-price", class: "num", inputMode: "decimal", autocomplete: "off" });
  const problem = el("p", { class: "field-problem", role: "status" });
  const form = el("form", { class: "whole", noValidate: true, autocomplete: "off", on: { submit: (event) => {
    event.preventDefault();
    add();
  } } }, el("h2", {}, t("room.package.new")), body,
  el("div", { class: "quantities" }, el("div", { class: "field" }, el("label", { htmlFor: "package-price" }, t("room.package.price")), price),
    el("div", { class: "field" }, el("label", { htmlFor: "package-set" }, t("room.package.set")), set)),
  el("div", { class: "row-buttons" }, el("button", { type: "submit", class: "primary" }, t("room.package.add"))), problem);
  const node = el("div", {}, own, form);
  let sale = null;

  const sets = () => state.ownOf(id, 0).your_sets ?? [];
  const partsText = (parts) => parts.map((part) => `${t("room.bid.lot", { lot: part.lot })} · ${count("bags", BigInt(part.bags))}`).join(" + ");

  function draw(now, may) {
    sale = now;
    show(form, may && !now.digest);
    const won = state.ownOf(id, 0).your_packages ?? [];
    own.replaceChildren(
      ...won.map((one) => el("li", { class: "strong" }, `${t("sale.sold.you")}: ${partsText(one.parts)} · ${number(one.price)} ${now.price_unit}`)),
      ...sets().map((one) => el("li", {}, `${t("room.package.set_n", { set: one.set })}: `,
        one.packages.map((package_) => `${partsText(package_.parts)} · ${number(package_.price)}`).join(t("room.package.or")), " ",
        may && !now.digest ? el("button", { type: "button", class: "plain", on: { click: () => send({ kind: "packages", set: one.set, packages: [], shared: one.shared }, problem) } },
          t("room.package.drop")) : null)),
    );
    keyed(body, now.lots, (lot) => lot.lot, (lot) => el("div", { class: "field" }, el("label", { htmlFor: `package-${lot.lot}` }),
      el("input", { id: `package-${lot.lot}`, class: "num", inputMode: "numeric", autocomplete: "off" })), (row, lot) => {
      setText(row.querySelector("label"), `${lot.title} (${count("bags", BigInt(lot.bags))})`);
      row.querySelector("input").disabled = Boolean(state.ownOf(id, lot.lot).you_sell);
    });
  }

  async function add() {
    const parts = sale.lots.map((lot) => ({ lot: lot.lot, bags: Number(document.getElementById(`package-${lot.lot}`).value.trim() || 0) })).filter((part) => part.bags);
    const number_ = Number(set.value);
    if (!parts.length || parts.some((part) => !Number.isInteger(part.bags) || part.bags < 0)) {
      setText(problem, t("problem.bags_range"));
      return;
    }
    const before = sets().find((one) => one.set === number_ && !one.shared)?.packages ?? [];
    const packages_ = [...before.map(({ parts: old, price: at }) => ({ parts: old, price: at })), { parts, price: price.value.trim() }];
    if (await send({ kind: "packages", set: number_, packages: packages_ }, problem)) form.reset();
  }

  return { node, draw };
}
