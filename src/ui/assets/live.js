// Parts that change by themselves, and search as you type; page.js, which runs before, has the rest. Everything works without both. A part is an element with an id and data-part; what comes for it replaces only what differs,
// so that focus, scroll position and selection stay where they are.
"use strict";
(() => {
  const main = document.querySelector("main");

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

  // --- rows do not move under who reads them

  const news = () => document.querySelector("[data-news]");
  let held = null;

  // Gives the new rows the order and the number of those that are there; how many are held back, or null if none is.
  function hold(page) {
    const [here, now] = [document, page].map((root) => root.querySelector("[data-hold]"));
    if (!here || !now || !here.children.length) return null;
    const coming = new Map([...now.children].map((row) => [row.dataset.key, row]));
    const keys = [...here.children].map((row) => row.dataset.key);
    if (keys.length === coming.size && [...coming.keys()].every((key, at) => key === keys[at])) return null;
    const n = [...coming.keys()].filter((key) => !keys.includes(key)).length;
    now.replaceChildren(...[...here.children].map((row) => coming.get(row.dataset.key) ?? page.importNode(row, true)));
    return n;
  }

  function apply(html, isAsked) {
    const page = new DOMParser().parseFromString(html, "text/html");
    sessionfold.localize(page);
    const at = window.scrollY;
    const n = isAsked ? null : hold(page);
    held = n === null ? null : html;
    for (const part of page.querySelectorAll("[data-part]")) {
      const here = document.getElementById(part.id);
      if (here) morph(here, part);
    }
    const button = news();
    if (button && n !== null) {
      const words = n === 0 ? "Order has changed" : `${n} new ${n === 1 ? "session" : "sessions"}`;
      if (button.textContent !== words) button.textContent = words;
      button.hidden = false;
    }
    sessionfold.show(main);
    if (window.scrollY !== at) window.scrollTo(window.scrollX, at);
  }

  document.addEventListener("click", (event) => { if (event.target.closest("[data-news]") && held !== null) apply(held, true); });

  const selects = () => { const s = document.getSelection(); return s && !s.isCollapsed && main.contains(s.anchorNode); };

  // --- parts that change by themselves

  const control = document.querySelector("[data-live-switch]");
  const word = document.querySelector("[data-live-word]");
  let source = null;
  let waiting = null;
  // What the server has sent, as it sent it: differences are from that (src/ui/live/delta.rs).
  let base = null;

  const cut = (html) => html.split(/(?=<[a-z])/);
  const isPaused = () => control && control.getAttribute("aria-pressed") === "true";

  function state(name) {
    if (!word) return;
    word.hidden = false;
    word.textContent = name;
    word.dataset.liveWord = name.toLowerCase();
  }

  // Nothing moves under who marks a text, or a part of a chart (charts.js).
  const isHeld = () => selects() || document.querySelector("svg.dragging") !== null;

  function take(html) { if (isHeld()) waiting = html; else apply(html); }

  function release() {
    if (waiting === null || isHeld()) return;
    const html = waiting;
    waiting = null;
    apply(html);
  }

  function change(event) {
    const [from, ...lines] = event.data.split("\n");
    if (!base || base.id !== from) { listen(); return; }
    const pieces = [];
    for (const line of lines) {
      const plus = line.indexOf("+");
      const [range, text] = plus < 0 ? [line, ""] : [line.slice(0, plus), line.slice(plus + 1)];
      const [at, n] = range ? range.split(",").map(Number) : [0, 0];
      for (let piece = at; piece < at + n; piece += 1) pieces.push(base.pieces[piece]);
      if (text) pieces.push(...cut(text.replace(/\\(.)/g, (_, c) => (c === "n" ? "\n" : c))));
    }
    base = { id: event.lastEventId, pieces };
    take(pieces.join(""));
  }

  function listen() {
    if (source) source.close();
    source = null;
    base = null;
    if (!main.hasAttribute("data-live")) return;
    if (isPaused()) { state("Paused"); return; }
    if (document.hidden) return;
    state("Connecting");
    source = new EventSource(location.pathname + location.search);
    source.addEventListener("open", () => state("Live"));
    source.addEventListener("error", () => {
      state("Reconnecting");
      // A browser gives up where the answer was no stream: a server that is busy or starting is asked again.
      if (source && source.readyState === EventSource.CLOSED) setTimeout(listen, 5_000);
    });
    source.addEventListener("parts", (event) => { base = { id: event.lastEventId, pieces: cut(event.data) }; take(event.data); });
    source.addEventListener("change", change);
    source.addEventListener("gone", () => { source.close(); location.reload(); });
  }

  for (const name of ["selectionchange", "dragged"]) document.addEventListener(name, release);
  document.addEventListener("visibilitychange", listen);
  window.addEventListener("pagehide", () => { if (source) source.close(); });
  window.addEventListener("pageshow", (event) => { if (event.persisted) listen(); });
  if (control) {
    control.hidden = false;
    control.addEventListener("click", () => {
      control.setAttribute("aria-pressed", String(!isPaused()));
      control.textContent = isPaused() ? "Resume updates" : "Pause updates";
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
      apply(html, true);
      history.replaceState(null, "", url);
      const words = document.querySelector("[data-say]");
      if (words) sessionfold.say(words.textContent);
      listen();
    } catch (error) {
      if (error.name !== "AbortError") location.assign(url);
    }
  }

  if (form) {
    const soon = (ms) => { clearTimeout(timer); timer = setTimeout(ask, ms); };
    form.addEventListener("input", (event) => {
      if (event.target.type === "search") soon(120);
    });
    form.addEventListener("change", (event) => { if (event.target.type !== "search") soon(0); });
    form.addEventListener("submit", (event) => { event.preventDefault(); soon(0); });
  }

  listen();
})();
