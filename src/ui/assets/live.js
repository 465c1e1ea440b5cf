// What the pages do more where there is JavaScript: parts that change by themselves, search as you type, buttons that copy.
// Everything else works without it. A part is an element with an id and data-part; what comes for it replaces only what differs,
// so that focus, scroll position and selection stay where they are.
"use strict";
(() => {
  const main = document.querySelector("main");
  const said = document.getElementById("said");

  // --- replacing what differs

  const keyOf = (node) => (node.nodeType === 1 ? node.dataset.key || node.id || null : null);

  function morph(old, now) {
    if (old.nodeType !== now.nodeType || old.nodeName !== now.nodeName) {
      old.replaceWith(now.cloneNode(true));
      return;
    }
    if (old.nodeType === 3 || old.nodeType === 8) {
      if (old.data !== now.data) old.data = now.data;
      return;
    }
    if (old.nodeType !== 1) return;
    // What the reader has opened or closed stays so.
    const isOurs = (name) => name !== "open" || old.nodeName !== "DETAILS";
    for (const { name, value } of [...now.attributes]) if (isOurs(name) && old.getAttribute(name) !== value) old.setAttribute(name, value);
    for (const { name } of [...old.attributes]) if (isOurs(name) && !now.hasAttribute(name)) old.removeAttribute(name);
    morphChildren(old, now);
  }

  function morphChildren(old, now) {
    const keyed = new Map();
    for (const child of old.childNodes) if (keyOf(child)) keyed.set(keyOf(child), child);
    let place = old.firstChild;
    for (const next of [...now.childNodes]) {
      const key = keyOf(next);
      let match = key ? keyed.get(key) : place && !keyOf(place) ? place : null;
      if (key) keyed.delete(key);
      if (!match) {
        old.insertBefore(next.cloneNode(true), place);
        continue;
      }
      if (match === place) place = place.nextSibling;
      else if (match.contains(document.activeElement)) {
        // Moving it would lose the focus: what stands between moves behind it instead.
        while (place !== match) { const behind = place.nextSibling; old.append(place); place = behind; }
        place = match.nextSibling;
      } else old.insertBefore(match, place);
      morph(match, next);
    }
    while (place) { const behind = place.nextSibling; place.remove(); place = behind; }
  }

  function apply(html) {
    const page = new DOMParser().parseFromString(html, "text/html");
    const at = window.scrollY;
    for (const part of page.querySelectorAll("[data-part]")) {
      const here = document.getElementById(part.id);
      if (here) morph(here, part);
    }
    show(main);
    if (window.scrollY !== at) window.scrollTo(window.scrollX, at);
  }

  const selects = () => { const s = document.getSelection(); return s && !s.isCollapsed && main.contains(s.anchorNode); };

  // --- parts that change by themselves

  const control = document.querySelector("[data-live-switch]");
  let source = null;
  let waiting = null;

  function listen() {
    if (source) source.close();
    source = null;
    if (!main.hasAttribute("data-live") || document.hidden || (control && control.getAttribute("aria-pressed") === "true")) return;
    source = new EventSource(location.pathname + location.search);
    source.addEventListener("parts", (event) => { if (selects()) waiting = event.data; else apply(event.data); });
    source.addEventListener("gone", () => { source.close(); location.reload(); });
  }

  document.addEventListener("selectionchange", () => {
    if (waiting !== null && !selects()) { const html = waiting; waiting = null; apply(html); }
  });
  document.addEventListener("visibilitychange", listen);
  window.addEventListener("pagehide", () => { if (source) source.close(); });
  window.addEventListener("pageshow", (event) => { if (event.persisted) listen(); });
  if (control) {
    control.hidden = false;
    control.addEventListener("click", () => {
      const paused = control.getAttribute("aria-pressed") !== "true";
      control.setAttribute("aria-pressed", String(paused));
      listen();
    });
  }

  // --- search as you type

  const form = document.querySelector("form[data-instant]");
  let asking = null;
  let timer = 0;

  async function ask() {
    const query = new URLSearchParams();
    for (const [name, value] of new FormData(form)) if (value) query.append(name, value);
    const url = form.getAttribute("action") + (String(query) ? "?" + query : "");
    if (asking) asking.abort();
    asking = new AbortController();
    try {
      const answer = await fetch(url, { signal: asking.signal, headers: { accept: "text/html" } });
      const to = new URL(answer.url);
      if (answer.redirected && to.pathname !== location.pathname) { location.assign(to); return; }
      const html = await answer.text();
      if (!answer.ok) { location.assign(url); return; }
      apply(html);
      history.replaceState(null, "", url);
      const words = document.querySelector("[data-say]");
      if (words) said.textContent = words.textContent;
      listen();
    } catch (error) {
      if (error.name !== "AbortError") location.assign(url);
    }
  }

  if (form) {
    const soon = (ms) => { clearTimeout(timer); timer = setTimeout(ask, ms); };
    form.addEventListener("input", (event) => {
      if (event.target.name === "start" || event.target.name === "end") form.elements.last.value = "";
      if (event.target.type === "search") soon(120);
    });
    form.addEventListener("change", (event) => { if (event.target.type !== "search") soon(0); });
    form.addEventListener("submit", (event) => { event.preventDefault(); soon(0); });
  }

  // --- copying

  function show(root) {
    for (const button of root.querySelectorAll("[data-copy][hidden]")) button.hidden = !navigator.clipboard;
    for (const code of root.querySelectorAll("[data-listener]")) {
      // The server says where it listens; only the browser knows by which name it is reached. The pages' own port is the address's.
      const listener = new URL(code.dataset.listener);
      const isPages = code.id === "text-curl";
      const known = isPages ? location.origin : `${listener.protocol}//${location.hostname}:${listener.port}`;
      const said = code.textContent.replaceAll(code.dataset.listener, known);
      if (said !== code.textContent) code.textContent = said;
    }
  }

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    try {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
      said.textContent = "Copied";
      button.textContent = "Copied";
    } catch {
      button.textContent = "Mark it and copy";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });

  // --- keys: "/" goes to the search

  document.addEventListener("keydown", (event) => {
    const search = document.getElementById("search");
    if (event.key !== "/" || !search || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, select, textarea")) return;
    event.preventDefault();
    search.focus();
  });

  show(document);
  listen();
})();
