/**
 * The sales: their list with the calendar of each and what can be done in it now, and behind it the room of one sale,
 * the reader's awards, the lots' catalogue, and for operators the plan of a sale. The part stands in the address.
 */

import { el, keyed, setText, show } from "../dom.js";
import { addTexts, dateTime, number, t } from "../strings.js";

export const STAGES = ["viewing", "registration", "prebids", "live"];

/** "#/sales/12" -> "12", "#/sales/awards" -> "awards"; "" for the list. */
export const partOfAddress = () => /^#\/sales\/([\w/]+)/.exec(location.hash)?.[1] ?? "";

export async function salesView(state, venue, notify, onKey) {
  await addTexts("sales");
  const links = el("nav", { class: "parts", aria: { label: t("sales.parts") } });
  const place = el("div", {});
  const node = el("div", { class: "sale-room" }, links, place);
  let part = null;
  let shown = null;
  let turn = 0;

  const PARTS = {
    "": () => saleList(state, venue),
    awards: async () => (await import("./rooms/awards.js")).awardsPanel(state, venue, notify, onKey),
    lots: async () => (await import("./rooms/lots.js")).lotsPanel(state, venue, notify, onKey),
    plan: async () => (await import("./rooms/plan.js")).planPanel(state, venue, notify),
  };

  async function open() {
    const wanted = partOfAddress();
    if (wanted === part) return;
    part = wanted;
    const mine = (turn += 1);
    const make = PARTS[wanted] ?? (async () => (await import("./rooms/room.js")).saleRoom(Number(wanted), state, venue, notify, onKey));
    const next = await make();
    if (mine !== turn) {
      next.stop();
      return;
    }
    shown?.stop();
    shown = next;
    place.replaceChildren(next.node);
    drawLinks();
  }

  function drawLinks() {
    const offered = ["", ...(state.account ? ["awards"] : []), ...(state.may("trade") || state.may("operate") ? ["lots"] : []),
      ...(state.may("operate") ? ["plan"] : [])];
    keyed(links, offered, (one) => one, (one) => el("a", { href: one ? `#/sales/${one}` : "#/sales" }, t(`sales.part.${one || "list"}`)),
      (link, one) => (one === part ? link.setAttribute("aria-current", "page") : link.removeAttribute("aria-current")));
    show(links, offered.length > 1 || part !== "");
  }

  await open();
  addEventListener("popstate", open);
  const stop = state.listen(["account"], drawLinks);
  return {
    node,
    stop() {
      removeEventListener("popstate", open);
      turn += 1;
      shown?.stop();
      stop();
    },
  };
}

/** Sales by what is nearest: those that run, those that come, those that are over; and the seasons they belong to. */
function saleList(state, venue) {
  const none = el("p", { class: "empty" }, t("sale.none"));
  const body = el("tbody", {});
  const columns = ["title", "mechanism", "calendar", "now"];
  const table = el("table", { class: "list sales" },
    el("thead", {}, el("tr", {}, ...columns.map((name) => el("th", { scope: "col" }, t(`sales.${name}`))))), body);
  const seasons = el("div", { class: "seasons" });
  const panel = el("section", { class: "panel", aria: { label: t("nav.sales") } }, el("h1", {}, t("sales.list")), el("div", { class: "scroll" }, table));
  const node = el("div", {}, none, panel, seasons);

  const rank = ({ stage }) => ({ live: 0, prebids: 1, registration: 2, viewing: 3, planned: 4 })[stage] ?? 5;

  function draw() {
    const list = [...state.sales.values()].sort((a, b) => rank(a) - rank(b) || b.sale_id - a.sale_id);
    show(none, !list.length);
    show(panel, list.length > 0);
    keyed(body, list, (sale) => sale.sale_id, make, patch);
  }

  function make(sale) {
    const parts = { title: el("a", { href: `#/sales/${sale.sale_id}` }), about: el("div", { class: "soft" }), kind: el("td", {}),
      calendar: el("td", {}), now: el("a", { class: "do", href: `#/sales/${sale.sale_id}` }), stage: el("span", { class: "phase" }) };
    return Object.assign(el("tr", {}, el("th", { scope: "row" }, parts.title, parts.about), parts.kind, parts.calendar,
      el("td", {}, parts.stage, parts.now)), { parts });
  }

  function patch(row, sale) {
    const { parts } = row;
    setText(parts.title, sale.title);
    setText(parts.about, t("sales.about", { lots: number(String(sale.lots.length)), unit: sale.price_unit }));
    setText(parts.kind, t(`mechanism.${sale.mechanism}`));
    parts.calendar.replaceChildren(calendar(sale));
    parts.stage.dataset.phase = STAGE_TONE[sale.stage];
    setText(parts.stage, t(`stage.${sale.stage}`));
    setText(parts.now, canDo(state, sale));
  }

  async function readSeasons() {
    const { seasons: found } = await venue.api.get("seasons");
    seasons.replaceChildren(...(found.length ? [el("section", { class: "panel" }, el("h2", {}, t("seasons")),
      el("ul", { class: "plain-list" }, ...found.map((season) => el("li", {},
        el("span", { class: "strong" }, season.title), ` · ${season.products.join(", ")} · ${season.first} – ${season.last} · `,
        t("seasons.sales", { n: number(String(season.sales)) }), " · ",
        el("a", { href: new URL(`v1/seasons/${season.season_id}.ics`, document.baseURI).href }, t("seasons.ics"))))))] : []));
  }

  draw();
  readSeasons().catch(() => {}); // the list does without them
  return { node, stop: state.listen(["sales", "account"], draw) };
}

export const STAGE_TONE = { live: "continuous", prebids: "call", registration: "pre_open", viewing: "pre_open", planned: "closed",
  finished: "closed", void: "halted" };

/** The stages of a sale with their times, the present one marked. */
export function calendar(sale) {
  const told = STAGES.filter((stage) => sale.stages[stage]);
  if (!told.length) return el("span", { class: "soft" }, t("sales.at_once"));
  return el("ol", { class: "calendar" }, ...told.map((stage) => el("li", { aria: { current: stage === sale.stage ? "step" : null } },
    el("span", {}, t(`stage.${stage}`)), " ", el("time", { dateTime: sale.stages[stage], class: "num" }, dateTime(sale.stages[stage])))));
}

/** What this reader can do in the sale now, in a few words. */
export function canDo(state, sale) {
  if (sale.stage === "finished") return t("do.results");
  if (sale.stage === "void" || sale.stage === "planned") return t("do.look");
  if (!state.may("trade")) return t("do.watch");
  const own = state.ownOf(sale.sale_id, 0);
  if (sale.registration !== "open" && !own.you_are_registered) return t("do.register");
  if (sale.registration === "admission" && !own.you_are_admitted) return t("do.wait");
  if (sale.stage === "live" || sale.stage === "prebids") return t("do.bid");
  return t("do.view");
}
