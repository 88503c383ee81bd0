/** The top of the page: the venue, its clock, the connection, the views, the language and the key. */

import { Problem } from "../api.js";
import { ask, el, setText, show } from "../dom.js";
import { LANGUAGES, currentLanguage, problemText, t, zonedTime } from "../strings.js";

const KEY_FORM = /^qk_[0-9A-Za-z]{22,64}$/;

/** Ask for a key and try it; what is wrong is said in plain words. */
export async function askForKey(venue, state, notify) {
  const input = el("input", { id: "key-field", name: "key", type: "password", autocomplete: "off", spellcheck: false, required: true,
    placeholder: "qk_…" });
  const form = await ask({
    title: t("key.title"),
    text: t("key.text"),
    fields: [el("label", { htmlFor: "key-field" }, t("key.label")), input],
    confirm: t("key.confirm"),
    cancel: t("cancel"),
  });
  if (!form) return;
  const key = String(form.get("key")).trim();
  if (!KEY_FORM.test(key)) {
    notify("bad", "key.shape");
    return;
  }
  try {
    await venue.useKey(key);
    if (state.account) notify("good", "key.accepted", { label: nameOf(state.account) });
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    notify("bad", problem.status === 401 ? "key.unknown" : problemText(problem));
  }
}

function nameOf(account) {
  return account.label || t("key.account", { account: account.account });
}

export function topBar(state, { onView, onLanguage, onKey, onForget, onRetry }) {
  const tab = (view) => el("button", { type: "button", class: "tab", data: { view }, on: { click: () => onView(view) } }, t(`nav.${view}`));
  const tabs = ["market", "sales", "operator"].map(tab);
  const clock = el("span", { class: "num", title: t("clock") });
  const link = el("span", { class: "link", role: "status" });
  const again = el("span", { class: "again num", aria: { hidden: "true" } }); // counts down: shown, not read aloud
  const retry = el("button", { type: "button", class: "plain", on: { click: onRetry } }, t("link.retry"));
  const language = el("select", { aria: { label: t("language") }, on: { change: () => onLanguage(language.value) } },
    ...Object.entries(LANGUAGES).map(([code, name]) => el("option", { value: code, selected: code === currentLanguage(), lang: code }, name)));
  const use = el("button", { type: "button", class: "key-button", on: { click: onKey } }, t("key.use"));
  const who = el("span", { class: "who" });
  const forget = el("button", { type: "button", class: "key-button", on: { click: onForget } }, t("key.forget"));
  const nodes = [
    el("div", { class: "brand" }, el("span", { class: "mark", aria: { hidden: "true" } }), el("span", { class: "name" }, "Qhatu"),
      el("span", { class: "tagline" }, t("tagline"))),
    el("nav", { class: "tabs", aria: { label: t("nav") } }, ...tabs),
    el("div", { class: "status" }, link, again, retry, clock),
    el("div", { class: "settings" }, language, who, use, forget),
  ];

  function draw() {
    for (const button of tabs) {
      if (button.dataset.view === state.view) button.setAttribute("aria-current", "page");
      else button.removeAttribute("aria-current");
      if (button.dataset.view === "operator") show(button, state.may("operate"));
    }
    const { account } = state;
    show(use, !account);
    show(forget, Boolean(account));
    setText(who, account ? `${nameOf(account)} · ${account.roles.map((role) => t(`role.${role}`)).join(", ")}` : "");
    tick();
  }

  function tick() {
    const { state: kind, retryAt } = state.link;
    const seconds = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
    setText(link, t(`link.${kind}`));
    setText(again, t("link.again", { seconds }));
    show(again, kind === "waiting");
    link.dataset.state = kind;
    link.title = kind === "waiting" ? t("link.stale") : "";
    show(retry, kind === "waiting");
    document.body.classList.toggle("stale", kind === "waiting");
    setText(clock, zonedTime(state.now()));
  }

  draw();
  const timer = setInterval(tick, 500);
  const stop = state.listen(["account", "link", "view", "clock"], draw);
  return {
    nodes,
    stop() {
      stop();
      clearInterval(timer);
    },
  };
}
