// The pages in a real Chromium: node tests/ui/browser/run.mjs, after .ci/browser.sh has installed what it needs.

import { charts } from "./charts.mjs";
import { agent, chat, chatty, CLAUDE, coding, crowd, deep, hostile, HOSTILE, huge, lonely, nobodys, send, story, tell } from "./data.mjs";
import { accessible, browser, count, fits, golden, open, quiet, report, same, server, test, truth, until } from "./harness.mjs";
import { tasks } from "./tasks.mjs";

const READER = "wax_sk_reader_0123456789";
const chromium = await browser();
const main = await server();
const fresh = await server();
const idless = await server();
const guarded = await server({ config: `[auth]\nkeys = [{ key = "${READER}" }]\n` });
guarded.key = READER;
const coded = await server({ SESSIONFOLD_AGENTS_KEEP_CONTENT: "true" });

await send(main, story());
await send(main, crowd());
await send(main, hostile());
await send(main, lonely());
await send(main, nobodys());
await send(main, chatty());
await send(idless, lonely(), "billing");
await send(guarded, story());
await tell(coded, CLAUDE, coding());
await until("the sessions are there", async () => (await count(main)) === 63);
await until("the spans are counted", async () => (await (await fetch(`${idless.url}/sessions`)).text()).includes("2 spans came, with 2 runs"));

const detail = async (at, id) => (await (await fetch(`${at.url}/api/v1/observability/sessions/${id}/`)).json());
await until("both turns of the coding agent are there", async () => (await detail(coded, "code-7")).runs?.length === 3);
const turns = (await detail(coded, "code-7")).runs;

const session = `${main.url}/sessions/conv-42`;
const runs = (await (await fetch(`${main.url}/api/v1/observability/sessions/conv-42/`)).json()).runs;
const trace = `${main.url}/traces/${runs[0].trace_id}?run=${runs[0].id}`;
const PAGES = {
  list: `${main.url}/sessions?sort=session_id&limit=5`,
  "no-session-fits": `${main.url}/sessions?search=zzz&agent=support&status=error`,
  "bad-value": `${main.url}/sessions?sort=cost`,
  "nothing-received": `${fresh.url}/sessions`,
  "no-session-id": `${idless.url}/sessions`,
  session,
  "session-dearest": `${session}?sort=-cost&fold=${runs[0].id}`,
  conversation: `${session}?view=conversation`,
  chat: `${main.url}/sessions/chat-7?view=conversation`,
  trace,
  "trace-span": `${trace}&span=0000000000000002`,
  "trace-errors": `${main.url}/traces/${"2bc".padStart(32, "0")}?kind=error`,
  "trace-of-nobody": `${main.url}/traces/${"1f4".padStart(32, "0")}`,
  "trace-explain": `${main.url}/traces/${"1f4".padStart(32, "0")}/explain`,
  coding: `${coded.url}/sessions/code-7`,
  "coding-conversation": `${coded.url}/sessions/code-7?view=conversation`,
  "coding-run": `${coded.url}/runs/${turns[0].id}`,
  "coding-subagent": `${coded.url}/runs/${turns[1].id}`,
  "coding-explain": `${coded.url}/runs/${turns[0].id}/explain`,
  "coding-trace": `${coded.url}/traces/${turns[0].trace_id}?run=${turns[0].id}`,
  run: `${main.url}/runs/${runs[1].id}`,
  explain: `${main.url}/runs/${runs[1].id}/explain`,
  hostile: `${main.url}/sessions/${encodeURIComponent(HOSTILE)}`,
  "not-found": `${main.url}/sessions/none`,
  overview: `${main.url}/overview?since=2026-02-07&until=2026-02-08&step=1d`,
  "overview-of-nothing": `${fresh.url}/overview?since=2026-02-07&until=2026-02-08`,
  "overview-bad-value": `${main.url}/overview?since=soon`,
  users: `${main.url}/users?sort=user_id`,
  agents: `${main.url}/agents?since=2026-02-07&until=2026-02-08&sort=name`,
  models: `${main.url}/models?since=2026-02-07&until=2026-02-08&sort=name`,
  tools: `${main.url}/tools?since=2026-02-07&until=2026-02-08&sort=tool_name`,
  tool: `${main.url}/tools/tell_depot?since=2026-02-07&until=2026-02-08`,
  "tool-hostile": `${main.url}/tools/${encodeURIComponent(HOSTILE)}?since=2026-02-07&until=2026-02-08`,
  "tool-of-nobody": `${main.url}/tools/none?since=2026-02-07&until=2026-02-08`,
  login: `${guarded.url}/login`,
  search: `${main.url}/search?q=parcels`,
  status: `${main.url}/status`,
  compare: `${main.url}/compare?a=conv-42&b=${encodeURIComponent(HOSTILE)}`,
  "compare-with": `${main.url}/compare?a=conv-42&search=7`,
  "compare-with-hostile": `${main.url}/compare?a=${encodeURIComponent(HOSTILE)}&search=t-7`,
  "compare-with-none": `${main.url}/compare?a=conv-42&search=zzz`,
  "compare-alone": `${coded.url}/compare?a=code-7`,
  api: `${main.url}/api/`,
  "no-page": `${main.url}/docs`,
};

const context = (options = {}) => chromium.newContext({ viewport: { width: 1280, height: 860 }, ...options });

// --- every page: its tree, no objection of axe-core, no complaint of the browser, no wider than a phone

for (const [name, url] of Object.entries(PAGES)) {
  await test(`${name}: the accessibility tree is the kept one`, async () => {
    const visit = await context();
    const page = await open(visit, url);
    await golden(page, name);
    if (!["bad-value", "overview-bad-value", "not-found", "no-page"].includes(name)) quiet(page);
    await visit.close();
  });
  for (const colorScheme of ["light", "dark"]) {
    await test(`${name}: axe-core has no objection, ${colorScheme}`, async () => {
      const visit = await context({ colorScheme });
      const page = await open(visit, url);
      for (const details of await page.locator("details").all()) await details.evaluate((node) => { node.open = true; });
      await accessible(page);
      await visit.close();
    });
  }
  await test(`${name}: fits 360 px and all above, with and without JavaScript, and axe-core has no objection`, async () => {
    for (const javaScriptEnabled of [true, false]) {
      const visit = await context({ viewport: { width: 360, height: 740 }, javaScriptEnabled });
      const page = await open(visit, url);
      await fits(page);
      if (javaScriptEnabled) await accessible(page);
      for (const width of [620, 980, 1024, 1100]) {
        await page.setViewportSize({ width, height: 740 });
        await fits(page);
        if (javaScriptEnabled && width === 1024 && /^(trace|session|run)/.test(name)) await accessible(page);
      }
      await visit.close();
    }
  });
}

// --- without JavaScript

await test("a session is bookmarked and noted, with and without JavaScript, and found by it", async () => {
  for (const javaScriptEnabled of [true, false]) {
    const visit = await context({ javaScriptEnabled });
    const page = await open(visit, `${session}?sort=-cost`);
    await page.getByRole("button", { name: "Bookmark", exact: true }).click();
    await page.getByRole("button", { name: "Remove bookmark", exact: true }).waitFor();
    truth(page.url().endsWith("?sort=-cost"), `back to where the form stood: ${page.url()}`);
    await page.getByText("Write a note").click();
    await page.getByLabel("Note, for everybody who may read here").fill(`customer complained,\nticket 1234 ${"and more ".repeat(30)}`);
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("ticket 1234").first().waitFor();
    await page.getByText("Change the note").click();
    for (const width of [360, 1280]) {
      await page.setViewportSize({ width, height: 860 });
      await fits(page);
      if (javaScriptEnabled) await accessible(page);
    }
    for (const width of [360, 620, 980, 1100, 1280, 1700]) {
      await page.setViewportSize({ width, height: 860 });
      await page.goto(`${main.url}/sessions?bookmarked=true`);
      same(await page.locator("tbody th a.session").allTextContents(), ["conv-42"], "the session with a bookmark");
      await fits(page);
      if (javaScriptEnabled) await accessible(page);
      if (width >= 980) same(await page.locator("tbody tr").evaluateAll((rows) => rows.filter((row) => row.offsetHeight > 40).length), 0, `rows of more than one line at ${width}`);
    }
    await page.goto(session);
    await page.getByText("Change the note").click();
    await page.getByRole("button", { name: "Remove note and bookmark" }).click();
    await page.getByText("Write a note").waitFor();
    quiet(page);
    await visit.close();
  }
});

await test("without JavaScript: list, sort, search, filter, page, open, all work", async () => {
  const visit = await context({ javaScriptEnabled: false });
  const page = await open(visit, `${main.url}/sessions`);
  const ids = () => page.locator("tbody th a.session").allTextContents();
  same((await ids()).length, 25, "the first page");
  same(await page.locator("tbody tr").evaluateAll((rows) => rows.filter((row) => row.offsetHeight > 40).length), 0, "rows of more than one line");
  truth(await page.getByText("Times are UTC.").isVisible(), "the zone is said");
  // The row leads there, wherever it is hit; this is beside the number of runs.
  const runs = await page.locator("tbody tr:nth-child(2) td:nth-of-type(3)").boundingBox();
  await page.mouse.click(runs.x + 4, runs.y + 6);
  await page.waitForURL("**/sessions/**");
  await page.goBack();
  await page.locator(".range summary").click();
  await page.getByLabel("From (UTC)").fill("2026-02-07T10:00:00");
  await page.getByRole("button", { name: "Apply" }).first().click();
  truth(page.url().includes("start=2026-02-07T10"), `an own range works: ${page.url()}`);
  await page.locator(".range summary").click();
  await page.getByRole("link", { name: "Last hour" }).click();
  truth(page.url().includes("last=1h") && !page.url().includes("start="), `one range at a time: ${page.url()}`);
  await page.goto(`${main.url}/sessions`);
  await page.locator("tbody tr:nth-child(1) .pick input").check();
  await page.locator("tbody tr:nth-child(2) .pick input").check();
  await page.getByRole("button", { name: "Compare" }).click();
  truth(/\/compare\?a=.*&b=/.test(page.url()), page.url());
  await page.goto(`${main.url}/sessions`);
  await page.getByText("Columns", { exact: true }).click();
  await page.locator(".choice fieldset").getByLabel("Agents").uncheck();
  await page.getByRole("button", { name: "Show these" }).click();
  same(await page.locator("td.agents").count(), 0, "a column that was not chosen");
  await page.goto(`${main.url}/sessions`);
  same(await page.locator("td.agents").count(), 0, "and is remembered so");
  await visit.clearCookies();
  await page.goto(`${main.url}/sessions`);
  await page.getByRole("link", { name: "Cost" }).click();
  same(await page.locator("th[aria-sort=descending]").textContent(), "Cost ↓");
  await page.getByRole("link", { name: "Cost" }).click();
  same(await page.locator("th[aria-sort=ascending]").textContent(), "Cost ↑");
  await page.getByRole("searchbox", { name: "Search" }).fill("CROWD");
  await page.getByLabel("Agent", { exact: true }).selectOption("reader");
  await page.getByRole("button", { name: "Apply" }).click();
  same(await page.locator(".found").textContent(), "20 sessions");
  truth(page.url().includes("search=CROWD") && page.url().includes("agent=reader") && page.url().includes("sort=total_cost"), page.url());
  await page.getByRole("link", { name: "Clear" }).click();
  await page.getByRole("link", { name: "Next" }).click();
  same(await page.locator(".found").textContent(), "26–50 of 63 sessions");
  await page.getByRole("link", { name: "Last", exact: true }).click();
  same(await page.locator(".found").textContent(), "51–63 of 63 sessions");
  await page.getByRole("searchbox", { name: "Search" }).fill("conv-42");
  await page.getByRole("button", { name: "Apply" }).click();
  await page.getByRole("link", { name: "conv-42" }).click();
  same(await page.locator("ol.timeline > li.run").count(), 4, "runs");
  await page.locator("ol.timeline").getByRole("link", { name: "tracker" }).click();
  truth(page.url().includes("/traces/"), page.url());
  same(await page.locator("table.waterfall tr[aria-current] a.name").textContent(), "invoke_agent tracker");
  await page.getByRole("link", { name: "chat house-large" }).click();
  same(await page.locator("ol.talk .said").allTextContents(), ["Where is my parcel?", "On its way: <b>Porto</b>, since yesterday."]);
  await page.getByRole("link", { name: "conv-42" }).first().click();
  await page.getByRole("link", { name: "Conversation" }).click();
  same(await page.locator(".turn > ol.talk > li.user .said").allTextContents(), ["Where is my parcel?", "And my refund?"]);
  await visit.close();
});

await test("on a phone a failed session says why in lines of words, and the way to every page stands on one line", async () => {
  const visit = await context({ viewport: { width: 360, height: 740 } });
  const page = await open(visit, `${main.url}/sessions?search=conv-42`);
  const boxes = await page.locator(".sessions .badge, .sessions .why").evaluateAll((all) => all.map((one) => [one.className, one.offsetWidth, one.offsetHeight]));
  truth(boxes.length >= 3 && boxes.every(([, , height]) => height < 50), `badges are as high as a line or two: ${JSON.stringify(boxes)}`);
  truth(boxes.find(([name]) => name === "why")[1] > 150, `the reason has room: ${JSON.stringify(boxes)}`);
  same(await page.locator(".rooms a").evaluateAll((all) => new Set(all.map((one) => Math.round(one.getBoundingClientRect().top))).size), 1, "lines of the head");
  await visit.close();
});

await test("the list has room for all of its columns, however wide the window is", async () => {
  const visit = await context({ javaScriptEnabled: false });
  const page = await open(visit, `${main.url}/sessions?sort=session_id`);
  truth(await page.getByText("Where is my parcel?").isVisible(), "a row says what was asked first");
  for (const width of [1280, 1320, 1360, 1440, 1600, 1750, 1770, 1920, 2560]) {
    await page.setViewportSize({ width, height: 860 });
    const over = await page.locator("table.sessions").evaluate((table) => table.parentElement.scrollWidth - table.parentElement.clientWidth);
    truth(over <= 0, `at ${width} px it is ${over} px too wide`);
    same(await page.locator("tbody tr").evaluateAll((rows) => rows.filter((row) => row.offsetHeight > 40).length), 0, "rows of more than one line");
  }
  await visit.close();
});

await test("a conversation: what is long is folded, an image is drawn, nothing is loaded from elsewhere and nothing runs", async () => {
  const visit = await context();
  const page = await open(visit);
  const asked = [];
  page.on("request", (request) => asked.push(request.url()));
  await page.goto(PAGES.chat);
  same(await page.locator("img.shown").evaluate((image) => [image.naturalWidth, image.naturalHeight]), [64, 48]);
  same(asked.filter((url) => !url.startsWith(main.url) && !url.startsWith("data:image/png;base64,")), [], "what was asked for");
  const instructions = page.locator("li.system .said");
  truth(!(await instructions.isVisible()), "instructions are folded");
  await page.getByText("Instructions", { exact: false }).first().click();
  truth(await instructions.isVisible(), "a click opens them");
  same(await page.locator("li.tool strong").allTextContents(), ["find_parcels", "tell_depot"]);
  same(await page.locator("li.tool .problem").allTextContents(), ["depot: 503 Service Unavailable"]);
  same(await page.locator("li.delegated > details > summary strong").allTextContents(), ["depot"]);
  same(await page.locator(".turn-head h3").allTextContents(), ["Turn 1", "Turn 2"]);
  same(await page.locator(".said a").getAttribute("rel"), "noopener noreferrer nofollow");
  same(await page.locator("main script").count(), 0, "scripts");
  quiet(page);
  await visit.close();
});

const chatTrace = `${main.url}/traces/${"2bc".padStart(32, "0")}`;
const chosen = (page) => page.locator("table.waterfall tr[aria-current] a.name").textContent();
const names = (page) => page.locator("table.waterfall a.name").allTextContents();

await test("without JavaScript: a trace is searched, folded, filtered, and its errors are walked through, with the line in sight", async () => {
  const visit = await context({ javaScriptEnabled: false });
  const page = await open(visit, chatTrace);
  same((await names(page)).length, 7, "lines");
  same(await chosen(page), "invoke_agent shop");
  await page.getByRole("link", { name: "Next error" }).click();
  same(await chosen(page), "execute_tool tell_depot");
  truth(await page.locator("#span .problem").first().isVisible(), "the message of the error");
  const row = await page.locator("tr[aria-current]").boundingBox();
  truth(row.y >= 0 && row.y < 860, `the line is at ${row.y}`);
  await page.getByRole("link", { name: "1 span below" }).click();
  same((await names(page)).length, 6, "lines after folding");
  truth(page.url().includes("fold=0000000000000005") && page.url().includes("span=0000000000000004"), page.url());
  await page.getByRole("searchbox").fill("PARCELS ARE LATE");
  await page.getByRole("button", { name: "Apply" }).click();
  same(await names(page), ["invoke_agent shop", "chat house-large", "chat house-large"]);
  await page.getByRole("searchbox").fill("");
  await page.getByLabel("Kind").selectOption("tool");
  await page.getByRole("button", { name: "Apply" }).click();
  same(await names(page), ["invoke_agent shop", "execute_tool find_parcels", "execute_tool tell_depot"]);
  await page.getByRole("link", { name: "Clear" }).click();
  same((await names(page)).length, 6, "what was folded stays folded");
  await page.getByText("JSON", { exact: true }).click();
  same(JSON.parse(await page.locator("#span-json").textContent()).status_message, "depot: 503 Service Unavailable");
  await visit.close();
});

await test("with JavaScript a trace does the same without a reload, and is put back by the browser's button", async () => {
  const visit = await context({ permissions: ["clipboard-read", "clipboard-write"] });
  const page = await open(visit, chatTrace);
  await page.evaluate(() => { window.isSamePage = true; });
  const isSame = async () => truth(await page.evaluate(() => window.isSamePage === true), "the page was loaded again");
  const link = page.getByRole("link", { name: "execute_tool find_parcels" });
  await link.focus();
  await page.keyboard.press("Enter");
  await until("the tool is shown", async () => (await page.locator("#span-title").textContent()).includes("find_parcels"));
  same(await page.evaluate(() => document.activeElement.textContent), "execute_tool find_parcels", "the focus");
  truth(page.url().endsWith("?span=0000000000000003#r-0000000000000003"), page.url());
  await page.getByRole("link", { name: "Next error" }).click();
  await until("the error is shown", async () => (await chosen(page)) === "execute_tool tell_depot");
  await page.goBack();
  await until("the tool is shown again", async () => (await chosen(page)) === "execute_tool find_parcels");
  await page.getByRole("link", { name: "1 span below" }).click();
  await until("it is folded", async () => (await names(page)).length === 6);
  await page.getByRole("searchbox").pressSequentially("depot of 92203", { delay: 15 });
  await until("it is found", async () => (await names(page)).length === 3);
  same(await page.evaluate(() => [document.activeElement.id, document.activeElement.value]), ["span-search", "depot of 92203"]);
  same(await page.locator("#said").textContent(), "1 span of 7 fits", "what is said to those who listen");
  await page.getByText("JSON", { exact: true }).click();
  await page.getByRole("button", { name: "Copy the JSON" }).click();
  truth(JSON.parse(await page.evaluate(() => navigator.clipboard.readText())).span_id.length === 16, "the JSON is copied");
  await page.getByRole("link", { name: "Clear" }).click();
  await until("all are there", async () => (await names(page)).length === 6);
  truth(await page.locator("#span-json").isVisible(), "what was open beside the tree stays open");
  await isSame();
  await page.goto(chatTrace);
  await until("what was folded is remembered", async () => (await names(page)).length === 6);
  await page.goto(`${chatTrace}?span=0000000000000006`);
  await page.waitForLoadState("networkidle");
  same([await chosen(page), (await names(page)).length], ["chat house-small", 7], "what somebody came for is not folded away");
  quiet(page);
  await visit.close();
});

await test("a trace of ten thousand spans is usable, and the span stays beside its line", async () => {
  await send(main, deep().slice(0, 5_000));
  await send(main, deep().slice(5_000));
  const address = `${main.url}/traces/${"384".padStart(32, "0")}`;
  await until("all are there", async () => (await (await fetch(address)).text()).includes("9,961 spans"), 60_000);
  const visit = await context();
  const began = Date.now();
  const page = await open(visit, address);
  const took = Date.now() - began;
  truth(took < 5_000, `${took} ms`);
  same((await names(page)).length, 61, "the lead and the agents");
  truth((await page.evaluate(() => document.documentElement.scrollHeight)) < 4_000, "the page is long");
  const last = page.locator("table.waterfall tr").last();
  await last.locator("a.name").click();
  await until("the last is shown", async () => (await last.getAttribute("aria-current")) === "true");
  for (const box of [await last.boundingBox(), await page.locator("#span-title").boundingBox()]) truth(box.y >= 0 && box.y < 860, `at ${box.y}`);
  await last.locator("a.fold").click();
  await until("it is open", async () => (await names(page)).length === 94);
  await page.getByRole("link", { name: "Next error" }).click().catch(() => {});
  await page.getByRole("link", { name: "Previous error" }).click();
  await until("an error is shown", async () => (await chosen(page)) === "execute_tool lookup");
  const row = await page.locator("tr[aria-current]").boundingBox();
  truth(row.y >= 0 && row.y < 860, `the error is at ${row.y}`);
  await page.getByRole("searchbox").fill("parcel 59-32-1");
  await until("it is found among ten thousand", async () => (await names(page)).length === 4);
  quiet(page);
  await visit.close();
});

await test("the mark of the critical path never makes a line of a trace higher, and stands in it", async () => {
  const visit = await context();
  const page = await open(visit, chatTrace);
  for (const width of [360, 768, 1024, 1280]) {
    await page.setViewportSize({ width, height: 860 });
    const outside = await page.locator(".waterfall .mark").evaluateAll((marks) => marks.filter((mark) => {
      const [inner, outer] = [mark, mark.closest("th")].map((node) => node.getBoundingClientRect());
      return inner.top < outer.top || inner.bottom > outer.top + 30 || inner.right > outer.right;
    }).length);
    same(outside, 0, `marks outside their lines at ${width} px`);
    const heights = () => page.locator(".waterfall tbody tr").evaluateAll((rows) => rows.map((row) => row.offsetHeight));
    const marked = await heights();
    await page.locator(".waterfall .mark").evaluateAll((marks) => marks.forEach((mark) => { mark.hidden = true; mark.remove(); }));
    same(await heights(), marked, `heights at ${width} px`);
    await page.reload();
  }
  await visit.close();
});

await test("without JavaScript: a timeline is sorted and folded, and has an axis", async () => {
  const visit = await context({ javaScriptEnabled: false });
  const page = await open(visit, session);
  const agents = () => page.locator("li.run .what > a:not(.fold)").allTextContents();
  same(await agents(), ["support", "tracker", "support", "support"]);
  await page.getByRole("link", { name: "1 run within" }).click();
  same(await agents(), ["support", "support", "support"]);
  await page.getByRole("group", { name: "Order of the runs" }).getByRole("link", { name: "Cost" }).click();
  same(await page.locator("li.run .figures").first().locator("dd").nth(1).locator("data").first().getAttribute("value"), "0.0045", "with what it started");
  same(await page.locator(".ticks span").count(), 5);
  same(await page.locator("rect.silence").count(), 2);
  await page.getByRole("link", { name: "All runs" }).click();
  same((await agents()).length, 4);
  await visit.close();
});

await test("a conversation is paged by its turns", async () => {
  const visit = await context({ javaScriptEnabled: false });
  const page = await open(visit, `${PAGES.conversation}&limit=1`);
  same(await page.locator("nav.pager span").first().textContent(), "Turns 1–1 of 3");
  await page.getByRole("link", { name: "Next" }).first().click();
  same(await page.locator(".turn-head h3").allTextContents(), ["Turn 2"]);
  same(await page.locator("li.user .said").allTextContents(), ["And my refund?"]);
  await visit.close();
});

await test("without JavaScript: dark and light are switched and kept", async () => {
  const visit = await context({ javaScriptEnabled: false, colorScheme: "light" });
  const page = await open(visit, `${main.url}/sessions?search=crowd`);
  const ground = () => page.locator("html").evaluate((node) => getComputedStyle(node).backgroundColor);
  const light = await ground();
  await page.getByRole("link", { name: "Dark" }).click();
  const dark = await ground();
  truth(light !== dark, `${light} in both`);
  truth(page.url().endsWith("/sessions?search=crowd"), page.url());
  await page.goto(session);
  same(await ground(), dark, "on another page");
  await visit.close();
});

// --- with JavaScript

await test("search as you type replaces the list only and keeps the focus and the address", async () => {
  const visit = await context();
  const page = await open(visit, `${main.url}/sessions`);
  await page.keyboard.press("/");
  await page.keyboard.type("crowd-1", { delay: 20 });
  await until("the list is searched", async () => (await page.locator(".found").textContent()) === "10 sessions");
  same(await page.evaluate(() => [document.activeElement.id, document.activeElement.value]), ["search", "crowd-1"]);
  truth(page.url().endsWith("/sessions?search=crowd-1"), page.url());
  await page.getByLabel("Agent", { exact: true }).selectOption("reader");
  await until("the agent is heeded", async () => (await page.locator(".found").textContent()) === "3 sessions");
  same(await page.locator("#said").textContent(), "3 sessions", "what is said to those who listen");
  await page.reload();
  same(await page.locator(".found").textContent(), "3 sessions", "after a reload");
  quiet(page);
  await visit.close();
});

await test("a pasted trace or run id lands there", async () => {
  const visit = await context();
  for (const id of [runs[0].trace_id, String(runs[1].id)]) {
    const page = await open(visit, `${main.url}/sessions`);
    await page.getByRole("searchbox").fill(id);
    await page.waitForURL("**/traces/**");
    await page.close();
  }
  await visit.close();
});

await test("a list that is open changes by itself and keeps focus, scroll and selection", async () => {
  const visit = await context({ viewport: { width: 1280, height: 500 } });
  const page = await open(visit, `${main.url}/sessions?search=live-&limit=100`);
  await until("it says that nothing fits", async () => (await page.locator("#list h2").count()) === 1);
  for (let n = 0; n < 30; n += 1) await send(main, [agent(700 + n, 1, 0, "live", `live-${n}`, 5000 + n, 5001 + n)]);
  const news = page.locator("[data-news]");
  await until("the first are shown", async () => (await page.locator("tbody tr").count()) > 0);
  await until("all are shown that came since, once asked for", async () => {
    if (await news.isVisible()) await news.click();
    return (await page.locator("tbody tr").count()) === 30;
  });
  same(await page.locator("[data-live-word]").textContent(), "Live");
  await page.evaluate(() => window.scrollTo(0, 600));
  const row = page.getByRole("link", { name: "live-5", exact: true });
  await row.focus();
  const before = await page.evaluate(() => window.scrollY);
  const placeOf = () => row.evaluate((link) => [...link.closest("tbody").children].indexOf(link.closest("tr")));
  const at = await placeOf();
  await send(main, [agent(750, 1, 0, "live", "live-new", 9000, 9001), agent(751, 1, 0, "live", "live-5", 9100, 9101)]);
  await until("the new one is announced", async () => (await news.isVisible()) && (await news.textContent()) === "1 new session");
  await until("a row that is there is renewed", async () => (await row.evaluate((link) => link.closest("tr").querySelector("td.number").textContent)) === "2");
  same([await page.locator("tbody tr").count(), await placeOf()], [30, at], "rows, and the place of one that was active again");
  await news.evaluate((button) => button.click());
  await until("the new one is shown", async () => (await page.locator("tbody tr").count()) === 31);
  same(await page.evaluate(() => document.activeElement.textContent), "live-5", "the focus, though its row went to the top");
  same(await page.evaluate(() => window.scrollY), before, "scroll");
  // What is marked stays marked: changes wait until it is not any more.
  await page.evaluate(() => {
    const range = document.createRange();
    range.selectNodeContents(document.querySelector("tbody tr:nth-child(3) th"));
    document.getSelection().removeAllRanges();
    document.getSelection().addRange(range);
  });
  const marked = await page.evaluate(() => document.getSelection().toString());
  await send(main, [agent(752, 1, 0, "live", "live-newer", 9200, 9201)]);
  await page.waitForTimeout(1_800);
  same(await page.evaluate(() => document.getSelection().toString()), marked, "selection");
  await page.evaluate(() => document.getSelection().removeAllRanges());
  await until("what waited is announced", async () => news.isVisible());
  await news.click();
  same(await page.locator("tbody tr").count(), 32);
  await page.getByRole("button", { name: "Pause updates" }).click();
  await send(main, [agent(753, 1, 0, "live", "live-newest", 9300, 9301)]);
  await page.waitForTimeout(1_500);
  same([await page.locator("tbody tr").count(), await news.isVisible()], [32, false], "while paused");
  same(await page.locator("[data-live-word]").textContent(), "Paused");
  await page.getByRole("button", { name: "Resume updates" }).click();
  await until("updates go on", async () => news.isVisible());
  await news.click();
  same(await page.locator("tbody tr").count(), 33);
  quiet(page);
  await visit.close();
});

await test("times are the reader's, with UTC behind them, and days are, too", async () => {
  const visit = await context({ timezoneId: "Asia/Tokyo" });
  const page = await open(visit, session);
  const first = page.locator("li.run time").first();
  const [shown, exact] = [await first.textContent(), await first.getAttribute("title")];
  const hour = Number(exact.slice(11, 13));
  same(Number(shown.slice(0, 2)), (hour + 9) % 24, `${exact} in Tokyo`);
  truth(exact.endsWith(" UTC"), exact);
  same(await page.locator("li.day").first().textContent(), hour >= 15 ? "2026-02-08" : "2026-02-07");
  truth(await page.getByText("Times are in the zone Asia/Tokyo").isVisible(), "the zone is said");
  await visit.close();
});

await test("a list is walked with keys, which leave alone who types", async () => {
  const visit = await context();
  const page = await open(visit, `${main.url}/sessions?sort=session_id`);
  const focused = () => page.evaluate(() => document.activeElement.textContent);
  const ids = await page.locator("a.session").allTextContents();
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  same(await focused(), ids[1]);
  await page.keyboard.press("k");
  same(await focused(), ids[0]);
  await page.keyboard.press("?");
  truth(await page.getByRole("dialog", { name: "Keys" }).isVisible(), "the keys are shown");
  await accessible(page);
  await page.keyboard.press("Escape");
  same(await page.getByRole("dialog").count(), 0);
  await page.keyboard.press("/");
  await page.keyboard.type("jk?gs");
  same(await page.getByRole("searchbox").inputValue(), "jk?gs");
  await page.goto(`${main.url}/sessions?sort=session_id`);
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/sessions/**");
  await page.keyboard.press("g");
  await page.keyboard.press("s");
  await page.waitForURL("**/status");
  await page.keyboard.press("g");
  await page.keyboard.press("l");
  await page.waitForURL(`${main.url}/sessions`);
  quiet(page);
  await visit.close();
});

await test("a run that goes on ends before one's eyes", async () => {
  const visit = await context();
  await send(main, [agent(800, 1, 0, "slow", "live-session", 0, null)]);
  await until("it is there", async () => (await fetch(`${main.url}/sessions/live-session`)).ok);
  const page = await open(visit, `${main.url}/sessions/live-session`);
  same(await page.locator("li.run .badge").textContent(), "running");
  await send(main, [agent(800, 1, 0, "slow", "live-session", 0, 7), chat(800, 2, 1, "house-small", 10, 5, 0.002, 1, 2)]);
  await until("it has ended", async () => (await page.locator("li.run .badge").textContent()) === "success");
  await until("its cost is shown", async () => (await page.locator("li.run .figures").textContent()).includes("$0.0020"));
  await visit.close();
});

await test("all of a page is reached with the keyboard, and shows where one is", async () => {
  const visit = await context();
  for (const url of [PAGES.list, session, trace]) {
    const page = await open(visit, url);
    const reachable = await page.evaluate(() => [...document.querySelectorAll("a[href]:not([tabindex='-1']), button, input:not([type=hidden]), select, summary, [tabindex='0']")]
      .filter((node) => node.checkVisibility({ visibilityProperty: true }) && node.getClientRects().length > 0).length);
    const seen = new Set();
    for (let n = 0; n < reachable + 20; n += 1) {
      await page.keyboard.press("Tab");
      const at = await page.evaluate(() => {
        const node = document.activeElement;
        if (node === document.body) return null;
        const style = getComputedStyle(node);
        node.dataset.seen ??= String(Math.random());
        return { seen: node.dataset.seen, outline: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2, html: node.outerHTML.slice(0, 90) };
      });
      if (!at) break;
      truth(at.outline, `no outline on ${at.html}`);
      seen.add(at.seen);
    }
    // A field for a moment takes several steps; the skip link is visible only while it has the focus.
    truth(seen.size >= reachable, `${seen.size} of ${reachable} were reached on ${url}`);
    await page.close();
  }
  const page = await open(visit, `${main.url}/sessions`);
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  same(await page.evaluate(() => document.activeElement.id), "content", "the skip link");
  await visit.close();
});

await test("texts are copied by a button", async () => {
  const visit = await context({ permissions: ["clipboard-read", "clipboard-write"] });
  const page = await open(visit, session);
  await page.getByText("TraceQL", { exact: true }).click();
  await page.locator("[data-copy=text-traceql]").click();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  truth(copied.includes('span.session.id = "conv-42"'), copied);
  await visit.close();
});

await test("an id made to break pages breaks none", async () => {
  const visit = await context();
  const page = await open(visit, `${main.url}/sessions`);
  await page.getByRole("searchbox").fill("<script>");
  await until("it is found", async () => (await page.locator("tbody tr").count()) === 1);
  await page.locator("a.session").click();
  await page.waitForURL("**/sessions/**");
  same(await page.locator("h1 bdi").textContent(), HOSTILE);
  await page.locator("ol.timeline a").click();
  await page.waitForURL("**/traces/**");
  same(await page.locator("script").evaluateAll((all) => all.map((one) => one.src.split("/").pop())), ["page.js", "live.js", "trace.js"], "scripts");
  quiet(page);
  await visit.close();
});

await test("ten thousand runs are usable", async () => {
  for (let from = 0; from < 10_000; from += 1_000) await send(main, huge(from, 1_000));
  await until("all are there", async () => (await (await fetch(`${main.url}/sessions/huge`)).text()).includes("of 10,000"), 60_000);
  const visit = await context();
  const began = Date.now();
  const page = await open(visit, `${main.url}/sessions/huge`);
  const took = Date.now() - began;
  truth(took < 5_000, `${took} ms`);
  same(await page.locator("ol.timeline > li.run").count(), 200);
  await page.getByRole("link", { name: "Last" }).first().click();
  same(await page.locator(".pager span").first().textContent(), "Runs 9,801–10,000 of 10,000");
  await visit.close();
});

await test("with keys: nothing without a login, a wrong key is refused, a right one opens, logging out closes", async () => {
  const visit = await context();
  const page = await open(visit, `${guarded.url}/sessions/conv-42`);
  truth(page.url().includes("/login?next="), page.url());
  await page.getByLabel("Key").fill("wrong-key-0123456789");
  await page.getByRole("button", { name: "Log in" }).click();
  same(await page.getByRole("alert").textContent(), "This is not a key that is known here.");
  await accessible(page);
  await page.getByLabel("Key").fill(READER);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.waitForURL("**/sessions/conv-42");
  same(await page.locator("h1 bdi").textContent(), "conv-42");
  const cookie = (await visit.cookies()).find((held) => held.name === "sessionfold_session");
  same([cookie.httpOnly, cookie.sameSite], [true, "Lax"]);
  same(await page.evaluate(() => document.cookie), "", "what scripts see of cookies");
  await page.getByRole("button", { name: "Log out" }).click();
  await page.goto(`${guarded.url}/sessions/conv-42`);
  truth(page.url().includes("/login"), page.url());
  await visit.close();
});

await charts(chromium);
await tasks(chromium);
await chromium.close();
for (const [name, one] of Object.entries({ main, fresh, idless, guarded, coded })) {
  await test(`${name}: the server stops as asked`, async () => same(await one.stop(), 0));
}
report();
