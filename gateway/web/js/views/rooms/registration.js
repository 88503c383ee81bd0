/** Whether the account may bid in a sale: it registers, accepts the agreement where there is one, and is admitted. */

import { Problem } from "../../api.js";
import { el, setText, show } from "../../dom.js";
import { number, problemText, t } from "../../strings.js";

export function registration(id, state, venue, notify) {
  const text = el("p", {});
  const digest = el("code", {});
  const box = el("input", { type: "checkbox", id: "agreement" });
  const agree = el("label", { class: "agree" }, box, " ", t("register.agree"), " ", digest);
  const button = el("button", { type: "submit", class: "primary" }, t("register"));
  const problem = el("p", { class: "field-problem", role: "status" });
  const form = el("form", { class: "register", on: { submit: (event) => {
    event.preventDefault();
    send();
  } } }, agree, button, problem);
  const node = el("div", { class: "registration" }, text, form);
  let sale = null;

  function draw(now) {
    sale = now;
    const own = state.ownOf(id, 0);
    const over = now.stage === "finished" || now.stage === "void";
    show(node, now.registration !== "open" && state.may("trade") && !over);
    if (node.hidden) return;
    const open = now.stage !== "planned" && now.stage !== "viewing";
    const waits = own.you_are_registered && now.registration === "admission" && !own.you_are_admitted;
    const limit = own.your_limit ? ` ${t("register.limit", { limit: `${number(own.your_limit)} ${now.currency}` })}` : "";
    setText(text, !own.you_are_registered ? t(open ? "register.needed" : "register.later")
      : waits ? t("register.waits") : t("register.done") + limit);
    node.dataset.tone = own.you_are_registered && !waits ? "good" : "";
    show(form, open && !own.you_are_registered);
    show(agree, Boolean(now.agreement));
    setText(digest, now.agreement.slice(0, 16));
    digest.title = now.agreement;
  }

  async function send() {
    if (sale.agreement && !box.checked) {
      setText(problem, t("register.must_agree"));
      return;
    }
    try {
      await venue.act(id, "register", { agreement: sale.agreement });
      state.setOwn(id, 0, { you_are_registered: true });
      setText(problem, "");
      notify("good", "register.accepted");
    } catch (refusal) {
      if (!(refusal instanceof Problem)) throw refusal;
      setText(problem, problemText(refusal));
    }
  }

  return { node, draw };
}
