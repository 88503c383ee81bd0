/** The operator plans a sale: lots of the catalogue or described here, stages, the mechanism's own terms. */

import { Problem, clientId } from "../../api.js";
import { el, keyed, setText, show } from "../../dom.js";
import { number, problemText, t } from "../../strings.js";

const UNITS = ["USD/lb", "USc/lb", "USD/kg", "PEN/kg", "USD/t"];
/** Of each mechanism: [name, kind, what stands there at first]. `after`: minutes after the sale goes live. */
const FIELDS = {
  english: [["opening", "price", "4.00"], ["increment", "price", "0.10"], ["style", ["helmsman", "timed"]], ["scope", ["all", "group", "lot"]],
    ["clock_seconds", "number", 180], ["open_until", "after", 60], ["ends", "after", 60]],
  clock: [["opening", "price", "4.00"], ["increment", "price", "0.10"], ["round_seconds", "number", 300], ["step_bags", "number", 1],
    ["show_demand", ["excess", "total", "nothing"]], ["absent", ["nothing", "keeps"]]],
  sealed: [["opening", "price", "4.00"], ["step", "price", "0.05"], ["payment", ["first_price", "vickrey", "uniform_lowest_winning", "uniform_highest_losing", "discriminatory"]],
    ["closes", "after", 60], ["keys_seconds", "number", 600]],
  dutch: [["start", "price", "6.00"], ["floor", "price", "3.00"], ["decrement", "price", "0.10"], ["interval_seconds", "number", 10], ["pause_seconds", "number", 0]],
  japanese: [["opening", "price", "4.00"], ["increment", "price", "0.10"], ["interval_seconds", "number", 10], ["joining_seconds", "number", 60]],
  reverse: [["opening", "price", "8.00"], ["increment", "price", "0.10"], ["scope", ["all", "group", "lot"]], ["clock_seconds", "number", 120], ["ends", "after", 60]],
  packages: [["opening", "price", "4.00"], ["step_bags", "number", 1], ["payment", ["as_bid", "vcg"]], ["closes", "after", 60], ["until", "after", 75]],
};
const LOT = [["seller", "numeric"], ["title", "text"], ["bags", "numeric"], ["bag_kg", "decimal"], ["opening", "decimal"], ["reserve", "decimal"]];
const STAGES = ["viewing", "registration", "prebids", "live"];
const CATALOGUE_READ = 200;

export function planPanel(state, venue, notify) {
  const forbidden = el("p", { class: "empty" }, t("operator.forbidden"));
  const kind = choice("plan-kind", Object.keys(FIELDS), (one) => t(`mechanism.${one}`), "english");
  kind.addEventListener("change", drawTerms);
  const title = text("plan-title", "");
  const unit = choice("plan-unit", UNITS, (one) => one, "USD/lb");
  const tick = text("plan-tick", "0.05", "decimal");
  const season = choice("plan-season", ["0"], () => t("plan.no_season"), "0");
  const entry = choice("plan-registration", ["open", "agreement", "admission"], (one) => t(`registration.${one}`), "open");
  entry.addEventListener("change", drawTerms);
  const agreement = text("plan-agreement", "");
  const approve = el("input", { id: "plan-approve", type: "checkbox" });
  const sample = text("plan-sample", "0", "numeric");
  const stages = STAGES.map((name) => [name, el("input", { id: `plan-${name}`, type: "datetime-local" })]);
  const terms = el("div", { class: "plan-fields" });
  const body = el("tbody", {});
  const lotsTable = el("table", { class: "list plan-lots" }, el("thead", {}, el("tr", {}, ...[...LOT.map(([name]) => t(`plan.lot.${name}`)), ""].map((name) =>
    el("th", { scope: "col" }, name)))), body);
  const catalogue = el("select", { id: "plan-catalogue" });
  const fromCatalogue = el("div", { class: "row-buttons" }, el("label", { htmlFor: "plan-catalogue" }, t("plan.catalogue")), catalogue,
    el("button", { type: "button", class: "plain", on: { click: takeLot } }, t("plan.take")));
  const problem = el("p", { class: "field-problem", role: "alert" });
  const fit = (label, node) => el("div", { class: "field" }, el("label", { htmlFor: node.id }, t(label)), node);
  const agreementField = fit("plan.agreement", agreement);
  const approveField = fit("plan.approve", approve);
  const form = el("form", { class: "plan", noValidate: true, autocomplete: "off", on: { submit: (event) => {
    event.preventDefault();
    send();
  } } },
  el("div", { class: "plan-fields" }, fit("plan.title", title), fit("plan.kind", kind), fit("plan.unit", unit), fit("plan.tick", tick), fit("plan.season", season)),
  el("h2", {}, t("plan.terms")), terms,
  el("h2", {}, t("plan.stages")), el("p", { class: "hint" }, t("plan.stages.text")),
  el("div", { class: "plan-fields" }, ...stages.map(([name, input]) => fit(`stage.${name}`, input))),
  el("h2", {}, t("plan.entry")), el("div", { class: "plan-fields" }, fit("plan.registration", entry), agreementField, approveField, fit("plan.sample", sample)),
  el("h2", {}, t("plan.lots")), fromCatalogue, el("div", { class: "scroll" }, lotsTable),
  el("div", { class: "row-buttons" }, el("button", { type: "button", class: "plain", on: { click: () => addLot() } }, t("plan.add"))),
  problem, el("div", { class: "row-buttons" }, el("button", { type: "submit", class: "primary" }, t("plan.send"))));
  const node = el("section", { class: "panel", aria: { label: t("plan") } }, el("h1", {}, t("plan")), forbidden, form);
  let described = [];

  function drawTerms() {
    keyed(terms, FIELDS[kind.value], ([name]) => `${kind.value}.${name}`, ([name, type, first]) => {
      const field = Array.isArray(type) ? choice(`term-${name}`, type, (one) => t(`term.${name}.${one}`), type[0])
        : text(`term-${name}`, String(first), type === "price" ? "decimal" : "numeric");
      field.addEventListener("change", drawTerms);
      return fit(kind.value === "reverse" && name === "increment" ? "term.decrement" : `term.${name}`, field);
    }, () => {});
    const style = value("style");
    for (const [name, of] of [["open_until", "helmsman"], ["ends", "timed"]]) {
      const node_ = terms.querySelector(`#term-${name}`);
      if (node_ && kind.value === "english") show(node_.parentElement, style === of);
    }
    show(agreementField, entry.value !== "open");
    show(approveField, kind.value === "english");
  }

  const value = (name) => terms.querySelector(`#term-${name}`)?.value.trim() ?? null;

  function addLot(given = {}) {
    const inputs = LOT.map(([name, mode]) => el("input", { name, inputMode: mode === "text" ? null : mode, value: String(given[name] ?? ""), size: name === "title" ? 24 : 7,
      aria: { label: t(`plan.lot.${name}`) }, autocomplete: "off", readOnly: Boolean(given.number) && !["opening", "reserve"].includes(name) }));
    const row = el("tr", {}, ...inputs.map((input) => el("td", {}, input)),
      el("td", {}, el("button", { type: "button", class: "plain", aria: { label: t("plan.remove") }, on: { click: () => row.remove() } }, "×")));
    row.given = given;
    body.append(row);
  }

  function takeLot() {
    const one = described.find(({ number: each }) => String(each) === catalogue.value);
    if (!one || [...body.children].some((row) => row.given.number === one.number)) return;
    addLot({ number: one.number, seller: one.seller, title: one.lot.title, bags: one.lot.bags, bag_kg: String(one.lot.bag_grams / 1000) });
  }

  /** The request; what the venue finds wrong with it comes back with the place of the fault. */
  function planned() {
    const live = stages.at(-1)[1].value ? new Date(stages.at(-1)[1].value) : null;
    const after = (minutes) => (live ? new Date(live.getTime() + minutes * 60_000).toISOString() : minutes * 60);
    const mechanism = { kind: kind.value };
    for (const [name, type] of FIELDS[kind.value]) {
      const given = value(name);
      if (type === "after") {
        if (kind.value !== "english" || (name === "open_until") === (value("style") === "helmsman")) mechanism[name] = after(Number(given));
      } else mechanism[name] = type === "number" ? Number(given) : given;
    }
    const lots = [...body.children].map((row) => {
      const [seller, name, bags, bagKg, opening, reserve] = [...row.querySelectorAll("input")].map((input) => input.value.trim());
      return { seller: Number(seller), title: name, bags: Number(bags), bag_kg: bagKg, ...(row.given.number && { number: row.given.number }),
        ...(opening && { opening }), ...(reserve && { reserve }) };
    });
    const { increment, opening, ...rest } = mechanism;
    const row = [{ start: "0", increment }];
    const shaped = {
      english: () => ({ ...rest, opening, increments: row }),
      reverse: () => ({ ...rest, opening, decrements: row }),
      clock: () => ({ ...rest, rises: [{ excess_bps: 0, increment }], products: lots.map((lot) => ({ start: lot.opening ?? opening })) }),
    }[kind.value]?.() ?? mechanism;
    return {
      sale_id: 1 + Math.max(0, ...state.sales.keys()), title: title.value.trim(), tick_size: tick.value.trim(), price_unit: unit.value,
      currency: unit.value.startsWith("PEN") ? "PEN" : "USD",
      lots: kind.value === "clock" ? lots.map(({ opening: _, ...lot }) => lot) : lots, mechanism: shaped,
      stages: Object.fromEntries(stages.filter(([, input]) => input.value).map(([name, input]) => [name, new Date(input.value).toISOString()])),
      season: Number(season.value), registration: entry.value, agreement: entry.value === "open" ? "" : agreement.value.trim(),
      approve_bids: kind.value === "english" && approve.checked, after: Number(sample.value) ? { sample_seconds: Number(sample.value) * 86_400 } : {},
    };
  }

  async function send() {
    try {
      const request = planned();
      const answer = await venue.api.post("sales", request, clientId("plan"));
      state.setSale(answer);
      notify("good", "plan.done", { title: answer.title });
      location.hash = `#/sales/${answer.sale_id}`;
    } catch (refusal) {
      if (!(refusal instanceof Problem)) throw refusal;
      const where = refusal.errors.map((one) => one.pointer).filter(Boolean).join(", ");
      setText(problem, `${refusal.detail && ["invalid_field", "missing_field"].includes(refusal.code) ? refusal.detail : problemText(refusal)}${where ? ` (${where})` : ""}`);
    }
  }

  async function readChoices() {
    const found = await venue.api.get(`lots?limit=${CATALOGUE_READ}`);
    described = found.lots.filter((lot) => !lot.fixed);
    show(fromCatalogue, described.length > 0);
    catalogue.replaceChildren(...described.map((one) => el("option", { value: one.number }, `${number(String(one.number))} · ${one.lot.title || one.lot.product} · ${one.lot.bags}`)));
    const { seasons } = await venue.api.get("seasons");
    season.append(...seasons.map((one) => el("option", { value: one.season_id }, one.title)));
  }

  show(forbidden, !state.may("operate"));
  show(form, state.may("operate"));
  show(fromCatalogue, false);
  drawTerms();
  addLot();
  readChoices().catch(() => {}); // a plan can be written without them
  return { node, stop() {} };
}

const text = (id, first, inputMode = "text") => el("input", { id, value: first, inputMode, autocomplete: "off" });

const choice = (id, values, label, first) =>
  el("select", { id }, ...values.map((value) => el("option", { value, selected: value === first }, label(value))));
