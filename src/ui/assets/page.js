// What the pages do more where there is JavaScript, apart from what changes by itself (live.js): times in the browser's zone, buttons that
// copy, rows that are clicked, keys. Everything else works without it.
"use strict";
const sessionfold = (() => {
  const said = document.getElementById("said");
  const say = (words) => { if (said) said.textContent = words; };

  // --- times: the server writes UTC, and leaves it in the title

  const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  const two = (n) => String(n).padStart(2, "0");
  const dayOf = (at) => `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  const clockOf = (at) => `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;

  // As `words::brief` has it.
  function brief(at, beside) {
    if (dayOf(at) === dayOf(beside)) return clockOf(at);
    const day = `${at.getDate()} ${MONTHS[at.getMonth()]}`;
    return at.getFullYear() === beside.getFullYear() ? `${day} ${clockOf(at).slice(0, 5)}` : `${day} ${at.getFullYear()}`;
  }

  const set = (node, text) => { if (node.textContent !== text) node.textContent = text; };

  function localize(root) {
    for (const time of root.querySelectorAll("time[datetime]")) {
      const at = new Date(time.getAttribute("datetime"));
      if (Number.isNaN(at.getTime())) continue;
      switch (time.dataset.form) {
        case "clock": set(time, clockOf(at)); break;
        case "day": set(time, dayOf(at)); break;
        case "minute": set(time, clockOf(at).slice(0, 5)); break;
        case "day-minute": set(time, `${dayOf(at).slice(5)} ${clockOf(at).slice(0, 5)}`); break;
        case "brief": set(time, brief(at, time.dataset.beside ? new Date(time.dataset.beside) : new Date())); break;
        default:
          if (time.firstElementChild) { set(time.firstElementChild, dayOf(at)); time.lastChild.data = ` ${clockOf(at)}`; }
      }
    }
    for (const list of root.querySelectorAll(".timeline")) regroup(list);
    age(root);
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    if (zone !== "UTC") for (const label of root.querySelectorAll("[data-zone]")) set(label, `Times are in the zone ${zone}; point at one for UTC.`);
  }

  // A timeline's days are the reader's: a run of 23:30 UTC may be tomorrow's.
  function regroup(list) {
    const times = [...list.children].map((item) => [item, item.matches(".run") ? item.querySelector("time[data-form=clock]") : null]);
    if (!list.querySelector("time[data-form=day]")) return;
    for (const item of [...list.children]) if (item.matches(".day")) item.remove();
    let day = null;
    for (const [item, time] of times) {
      if (!time) continue;
      const now = dayOf(new Date(time.getAttribute("datetime")));
      if (now === day) continue;
      day = now;
      const head = list.ownerDocument.createElement("li");
      head.className = "day";
      head.dataset.key = `day-${item.dataset.key}`;
      const copy = time.cloneNode(false);
      copy.dataset.form = "day";
      copy.textContent = day;
      head.append(copy);
      const idle = item.previousElementSibling;
      list.insertBefore(head, idle && idle.matches(".idle") ? idle : item);
    }
  }

  // As `words::age` has it: words that age are the browser's to renew.
  function age(root) {
    const now = Date.now();
    for (const node of root.querySelectorAll("[data-age]")) {
      const time = node.previousElementSibling;
      if (!time || !time.matches("time")) continue;
      const seconds = (now - new Date(time.getAttribute("datetime")).getTime()) / 1000;
      if (seconds < -5 || seconds >= 86_400) set(node, "");
      else if (seconds < 1) set(node, "just now");
      else if (seconds < 60) set(node, `${Math.floor(seconds)} s ago`);
      else if (seconds < 3_600) set(node, `${Math.floor(seconds / 60)} min ago`);
      else set(node, `${Math.floor(seconds / 3_600)} h ago`);
    }
  }
  setInterval(() => { if (!document.hidden) age(document); }, 10_000);

  // --- copying

  function show(root) {
    for (const button of root.querySelectorAll("[data-copy][hidden], [data-copy-text][hidden]")) button.hidden = !navigator.clipboard;
    // The server says where it listens; only the browser knows by which name it is reached. The pages' own port is the address's.
    for (const code of root.querySelectorAll("[data-listener], [data-own]")) {
      let text = code.textContent;
      if (code.dataset.own) text = text.replaceAll(code.dataset.own, location.origin);
      if (code.dataset.listener) {
        const listener = new URL(code.dataset.listener);
        text = text.replaceAll(code.dataset.listener, `${listener.protocol}//${location.hostname}:${listener.port}`);
      }
      set(code, text);
    }
  }

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy], [data-copy-text]");
    if (!button) return;
    try {
      await navigator.clipboard.writeText(button.dataset.copyText ?? document.getElementById(button.dataset.copy).textContent);
      say("Copied");
      button.textContent = "Copied";
    } catch {
      button.textContent = "Mark it and copy";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });

  // --- rows: the link of a row lies over all of it but what has a title of its own, which leads there too

  document.addEventListener("click", (event) => {
    const cell = event.target.closest(".sessions tbody time, .sessions tbody data");
    if (!cell || !document.getSelection().isCollapsed) return;
    const { ctrlKey, metaKey, shiftKey } = event;
    cell.closest("tr").querySelector("a.session").dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, ctrlKey, metaKey, shiftKey }));
  });

  // Two are compared: with two ticked the other boxes are off.
  document.addEventListener("change", (event) => {
    if (!event.target.matches(".pick input")) return;
    const boxes = [...document.querySelectorAll(".pick input")];
    const isFull = boxes.filter((box) => box.checked).length >= 2;
    for (const box of boxes) box.disabled = isFull && !box.checked;
  });

  // --- keys

  const ROWS = "a.session, .timeline .run .what > a, .waterfall tbody th a, .list-rows tbody th a";
  const GOTO = { l: "/sessions", o: "/overview", u: "/users", a: "/agents", m: "/models", s: "/status", i: "/api/" };
  const KEYS = [
    ["/", "search"], ["j", "next row"], ["k", "row before"], ["Enter", "open the row"], ["n", "next page"], ["b", "page before"],
    ["p", "pause updates, or go on"], ["g l", "list of sessions"], ["g s", "status"], ["g i", "API"], ["?", "these keys"],
  ];
  const home = document.querySelector("a.home");
  const prefix = home ? home.getAttribute("href").replace(/\/$/, "") : "";
  const linkTo = (path) => [...document.querySelectorAll(".top a, footer a")].find((link) => link.getAttribute("href") === prefix + path);
  let after = null;

  function move(step) {
    const rows = [...document.querySelectorAll(ROWS)];
    const at = rows.indexOf(document.activeElement);
    const next = rows[at < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(Math.max(at + step, 0), rows.length - 1)];
    if (next) { next.focus(); next.scrollIntoView({ block: "nearest" }); }
  }

  function help() {
    const old = document.getElementById("keys");
    if (old) { old.close(); return; }
    const dialog = document.createElement("dialog");
    dialog.id = "keys";
    dialog.setAttribute("aria-label", "Keys");
    const list = document.createElement("dl");
    for (const [key, words] of KEYS) {
      const [name, meaning, pressed] = ["dt", "dd", "kbd"].map((tag) => document.createElement(tag));
      pressed.textContent = key;
      name.append(pressed);
      meaning.textContent = words;
      list.append(name, meaning);
    }
    const close = document.createElement("button");
    close.type = "button";
    close.className = "quiet";
    close.textContent = "Close";
    close.addEventListener("click", () => dialog.close());
    dialog.append(list, close);
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
  }

  const DO = {
    "/": () => document.getElementById("search")?.focus(),
    "?": help,
    j: () => move(1),
    k: () => move(-1),
    n: () => document.querySelector(".pager a[rel=next]")?.click(),
    b: () => document.querySelector(".pager a[rel=prev]")?.click(),
    p: () => document.querySelector("[data-live-switch]")?.click(),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    // Who types is left alone.
    if (event.target.closest("input:not([type=checkbox]), select, textarea, [contenteditable]")) return;
    const isGoing = after === "g";
    after = event.key === "g" && !isGoing ? "g" : null;
    if (isGoing && Object.hasOwn(GOTO, event.key)) {
      const link = linkTo(GOTO[event.key]);
      if (link) { event.preventDefault(); link.click(); }
    } else if (!isGoing && Object.hasOwn(DO, event.key)) {
      event.preventDefault();
      DO[event.key]();
    }
  });

  localize(document);
  show(document);
  return { localize, show, say };
})();
