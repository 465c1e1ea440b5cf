// What a tree of spans does more where there is JavaScript: its links and its form change the tree and the span beside it without a
// reload, the search follows what is typed, and what was folded in a trace is remembered by this browser. All of it works without.
"use strict";
(() => {
  const panes = document.getElementById("panes");
  const said = document.getElementById("said");
  if (!panes) return;
  let asking = null;

  // --- the panes of another address

  // Where the focus is, in words that hold when the panes were replaced: a row and which of its links, or an id.
  function focusOf() {
    const at = document.activeElement;
    if (!panes.contains(at)) return null;
    const row = at.closest("tr[id]");
    return row ? { row: row.id, link: at.className } : { id: at.id, start: at.selectionStart, end: at.selectionEnd };
  }

  function focusAgain(at) {
    if (!at) return;
    const row = at.row && document.getElementById(at.row);
    const node = row ? [...row.querySelectorAll("a")].find((link) => link.className === at.link) ?? row.querySelector("a") : at.id && document.getElementById(at.id);
    if (!node) return;
    node.focus({ preventScroll: true });
    if (at.start !== undefined && at.start !== null && node.setSelectionRange) node.setSelectionRange(at.start, at.end);
  }

  // Whether that was done; null if the chosen span has no line there and has to have one.
  function replace(html, needsLine) {
    const next = new DOMParser().parseFromString(html, "text/html").getElementById("panes");
    if (!next) return false;
    if (needsLine && !next.querySelector("tr[aria-current]")) return null;
    const at = focusOf();
    const typed = document.activeElement?.id === "span-search" ? document.activeElement.value : null;
    const open = [...panes.querySelectorAll("details[data-key][open]")].map((node) => node.dataset.key);
    panes.replaceChildren(...next.childNodes);
    for (const node of panes.querySelectorAll("details[data-key]")) if (open.includes(node.dataset.key)) node.open = true;
    for (const button of panes.querySelectorAll("[data-copy][hidden]")) button.hidden = !navigator.clipboard;
    // What was typed while the answer was on its way stays.
    if (typed !== null) document.getElementById("span-search").value = typed;
    focusAgain(at);
    return true;
  }

  async function go(url, how = {}) {
    if (asking) asking.abort();
    asking = new AbortController();
    try {
      const answer = await fetch(url, { signal: asking.signal, headers: { accept: "text/html" } });
      const isDone = answer.ok && !answer.redirected && replace(await answer.text(), how.needsLine);
      if (isDone === null) return;
      if (!isDone) { location.assign(url); return; }
    } catch (error) {
      if (error.name !== "AbortError") location.assign(url);
      return;
    }
    // The row is in sight already; its name behind the address is for those who open it anew.
    if (how.history) history[how.history](null, "", url);
    const row = panes.querySelector("tr[aria-current]");
    if (how.shows && row) row.scrollIntoView({ block: "nearest" });
    said.textContent = panes.querySelector(how.says ?? "#span-title")?.textContent ?? "";
  }

  // --- links and the form

  panes.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-swap]");
    if (!link || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    const kind = link.dataset.swap;
    go(link.href, { history: "pushState", shows: kind === "row" });
    if (kind === "fold") remember(new URL(link.href).searchParams);
  });

  function search(form, how) {
    const query = new URLSearchParams();
    for (const [name, value] of new FormData(form)) if (value) query.append(name, value);
    go(form.getAttribute("action") + (String(query) ? `?${query}` : ""), { history: how, says: "[data-say]" });
  }

  let timer = 0;
  panes.addEventListener("submit", (event) => { event.preventDefault(); clearTimeout(timer); search(event.target, "pushState"); });
  panes.addEventListener("change", (event) => { if (event.target.form && event.target.type !== "search") search(event.target.form, "pushState"); });
  panes.addEventListener("input", (event) => {
    if (event.target.type !== "search") return;
    clearTimeout(timer);
    timer = setTimeout(() => search(event.target.form, "replaceState"), 250);
  });
  window.addEventListener("popstate", () => go(location.href));

  // --- what was folded, by page

  const KEPT = "sessionfold.folds";
  const KEPT_MAX = 50;
  const read = () => { try { return JSON.parse(localStorage.getItem(KEPT)) ?? {}; } catch { return {}; } };

  function remember(query) {
    const kept = read();
    delete kept[location.pathname];
    kept[location.pathname] = { open: query.get("open") ?? "", fold: query.get("fold") ?? "" };
    const names = Object.keys(kept);
    for (const name of names.slice(0, Math.max(0, names.length - KEPT_MAX))) delete kept[name];
    try { localStorage.setItem(KEPT, JSON.stringify(kept)); } catch { /* It is full, or not allowed: then nothing is remembered. */ }
  }

  const here = new URL(location.href);
  const kept = read()[location.pathname];
  if (kept && !here.searchParams.has("open") && !here.searchParams.has("fold")) {
    // Ids need no encoding. What somebody came for is not folded away.
    const more = Object.entries(kept).filter(([, ids]) => /^[0-9a-f,]+$/.test(ids)).map(([name, ids]) => `${name}=${ids}`).join("&");
    if (more) go(`${here.pathname}${here.search ? `${here.search}&` : "?"}${more}${here.hash}`, { history: "replaceState", says: "none", needsLine: true });
  }
})();
