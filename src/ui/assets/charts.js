// Pressing on one bar of a chart and letting go on another narrows the page to the time from the first to the last; Escape puts it off. Each bar is
// a link to its own time (src/ui/overview/charts.rs, src/ui/list/histogram.rs): the range begins where the first one does and ends where the
// last one does. Without scripts, and without moving, a bar is its link.
"use strict";
(() => {
  const CHART = ".chart > svg, .histogram > svg";
  // The parameters of a range, as the page has them.
  const ENDS = [["since", "until"], ["start", "end"]];
  // The bar that was pressed and the one that the pointer is over, once it has moved to another.
  let drag = null;

  // --- the bars

  const widthOf = (svg) => svg.querySelector(".room").width.baseVal.value;

  function barAt(svg, clientX) {
    const box = svg.getBoundingClientRect();
    const n = Math.round(svg.viewBox.baseVal.width / widthOf(svg));
    return Math.min(Math.max(Math.floor(((clientX - box.left) / box.width) * n), 0), n - 1);
  }

  // Of bars without anything there may be no link.
  function chosen() {
    const [first, last] = [Math.min(drag.from, drag.to), Math.max(drag.from, drag.to)];
    const width = widthOf(drag.svg);
    const links = [...drag.svg.querySelectorAll("a")].filter((link) => {
      const bar = Math.round(link.querySelector(".room").x.baseVal.value / width);
      return first <= bar && bar <= last;
    });
    return { first, last, width, links };
  }

  const valueOf = (address, name) => new RegExp(`[?&]${name}=([^&]*)`).exec(address)?.[1];

  // Where the range of these bars is looked at, and when it begins and ends.
  function rangeOf(links) {
    const [from, to] = [links[0], links.at(-1)].map((link) => link.getAttribute("href"));
    const [begin, end] = ENDS.find(([name]) => valueOf(from, name));
    const until = valueOf(to, end);
    const address = from.replace(new RegExp(`([?&]${end}=)[^&]*`), (_, name) => name + until);
    return { address, times: [valueOf(from, begin), until].map(decodeURIComponent) };
  }

  // --- what is shown meanwhile

  // As `words::moment` has them, the end without a day that is the same.
  function timeNodes(moments) {
    const [begin, end] = moments.map((moment) => {
      const node = document.createElement("time");
      node.setAttribute("datetime", moment);
      return node;
    });
    begin.append(document.createElement("span"), " ");
    end.dataset.form = "brief";
    end.dataset.beside = moments[0];
    return [begin, " to ", end];
  }

  function show() {
    const { first, last, width, links } = chosen();
    drag.mark.setAttribute("x", first * width);
    drag.mark.setAttribute("width", (last - first + 1) * width);
    drag.words.hidden = links.length === 0;
    if (links.length === 0) return;
    drag.words.replaceChildren(...timeNodes(rangeOf(links).times));
    sessionfold.localize(drag.words);
  }

  function begin() {
    const { svg, pointer } = drag;
    svg.setPointerCapture(pointer);
    svg.classList.add("dragging");
    drag.mark = document.createElementNS(svg.namespaceURI, "rect");
    drag.mark.setAttribute("class", "chosen");
    drag.mark.setAttribute("height", svg.viewBox.baseVal.height);
    svg.prepend(drag.mark);
    drag.words = document.createElement("p");
    drag.words.className = "chosen-time";
    svg.parentNode.append(drag.words);
  }

  // What came meanwhile has waited (live.js), so that no bar moved under the pointer.
  function clear() {
    if (!drag?.mark) return;
    drag.mark.remove();
    drag.words.remove();
    drag.svg.classList.remove("dragging");
    document.dispatchEvent(new Event("dragged"));
  }

  // The bar on which a range ends is not clicked. Some browsers send the click by itself.
  function swallowClick() {
    const swallow = (event) => { event.preventDefault(); event.stopPropagation(); };
    document.addEventListener("click", swallow, { capture: true, once: true });
    setTimeout(() => document.removeEventListener("click", swallow, { capture: true }), 100);
  }

  // --- the pointer

  const isOf = (event) => drag !== null && event.pointerId === drag.pointer;

  document.addEventListener("pointerdown", (event) => {
    const { button, isPrimary, ctrlKey, metaKey, shiftKey, altKey } = event;
    const svg = event.target.closest(CHART);
    if (!svg || !isPrimary || button !== 0 || ctrlKey || metaKey || shiftKey || altKey) return;
    drag = { svg, pointer: event.pointerId, from: barAt(svg, event.clientX), isOff: false };
  });

  document.addEventListener("pointermove", (event) => {
    if (!isOf(event) || drag.isOff) return;
    // Let go where nobody saw it; or the chart was drawn anew before anything was dragged.
    if (event.buttons === 0 || !drag.svg.isConnected) { clear(); drag = null; return; }
    const to = barAt(drag.svg, event.clientX);
    if (to === drag.to || (!drag.mark && to === drag.from)) return;
    drag.to = to;
    if (!drag.mark) begin();
    show();
  });

  document.addEventListener("pointerup", (event) => {
    if (!isOf(event)) return;
    const { mark, isOff } = drag;
    const links = mark && !isOff ? chosen().links : [];
    if (mark) swallowClick();
    if (!isOff) clear();
    drag = null;
    if (links.length > 0) location.assign(rangeOf(links).address);
  });

  // The browser took it for scrolling.
  document.addEventListener("pointercancel", (event) => { if (isOf(event)) { clear(); drag = null; } });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !drag?.mark || drag.isOff) return;
    event.preventDefault();
    clear();
    drag.isOff = true;
  });

  // A bar is a link, and a link is dragged as one.
  document.addEventListener("dragstart", (event) => { if (event.target.closest?.(CHART)) event.preventDefault(); });
})();
