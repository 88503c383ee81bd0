/** The few things this page needs of a user-interface library: elements, keyed lists, one dialog. */

/**
 * el("button", {class: "buy", on: {click: f}, aria: {label: "x"}, vars: {share: "40%"}, disabled: true}, "text", node...)
 * Properties that are null, undefined or false are left out. Text is always set as text, never as markup.
 */
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") for (const [event, handler] of Object.entries(value)) node.addEventListener(event, handler);
    else if (name === "aria") for (const [key, text] of Object.entries(value)) setAria(node, key, text);
    else if (name === "data") Object.assign(node.dataset, value);
    else if (name === "vars") for (const [key, text] of Object.entries(value)) node.style.setProperty(`--${key}`, text);
    else if (name === "class") node.className = value;
    else if (name in node && name !== "list" && name !== "form") node[name] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

function setAria(node, key, text) {
  if (text !== null && text !== undefined && text !== false) node.setAttribute(`aria-${key}`, text);
}

/** Set text only where it changed, so that a selection or a screen reader is not disturbed. True when it did. */
export function setText(node, text) {
  if (node.textContent === text) return false;
  node.textContent = text;
  return true;
}

/**
 * Keep `parent`'s children in step with `items`: `make(item)` builds a row, `patch(row, item)` brings it up to date.
 * Rows keep their identity by `keyOf(item)`, so that focus and half-typed input survive.
 */
export function keyed(parent, items, keyOf, make, patch) {
  const old = new Map([...parent.children].map((row) => [row.dataset.key, row]));
  let at = parent.firstElementChild;
  for (const item of items) {
    const key = String(keyOf(item));
    let row = old.get(key);
    if (row) old.delete(key);
    else {
      row = make(item);
      row.dataset.key = key;
    }
    patch(row, item);
    if (row === at) at = at.nextElementSibling;
    else parent.insertBefore(row, at);
  }
  for (const row of old.values()) row.remove();
}

/** A labelled panel: <section> with a heading, an optional line to its right, and a body. */
export function panel(id, title, ...body) {
  const aside = el("div", { class: "panel-aside" });
  const section = el(
    "section",
    { class: "panel", id, aria: { labelledby: `${id}-title` } },
    el("div", { class: "panel-head" }, el("h2", { id: `${id}-title` }, title), aside),
    ...body,
  );
  return { section, aside };
}

/** Show or hide without losing what is inside. */
export function show(node, visible) {
  node.hidden = !visible;
}

/** Fade a changed figure once; nothing moves for those who asked for less motion (page.css). */
export function flash(node) {
  node.classList.remove("changed");
  void node.offsetWidth;
  node.classList.add("changed");
}

/**
 * Ask in the page's one dialog. Resolves to the form's data, or null when it was dismissed.
 * fields: nodes to put before the buttons.
 */
export function ask({ title, text, fields = [], confirm, cancel, danger = false }) {
  const dialog = document.getElementById("dialog");
  return new Promise((resolve) => {
    const form = el(
      "form",
      { method: "dialog" },
      el("h2", { id: "dialog-title" }, title),
      text ? el("p", {}, text) : null,
      ...fields,
      el(
        "div",
        { class: "dialog-buttons" },
        el("button", { type: "button", class: "plain", on: { click: () => dialog.close() } }, cancel),
        el("button", { type: "submit", value: "yes", class: danger ? "danger" : "primary" }, confirm),
      ),
    );
    dialog.replaceChildren(form);
    dialog.returnValue = "";
    dialog.onclose = () => resolve(dialog.returnValue === "yes" ? new FormData(form) : null);
    dialog.showModal();
  });
}
