// The pages in a real Chromium: node tests/ui/browser/run.mjs, after .ci/browser.sh has installed what it needs.

import { agent, chat, chatty, CLAUDE, coding, crowd, hostile, HOSTILE, huge, lonely, nobodys, send, story, tell } from "./data.mjs";
import { accessible, browser, count, fits, golden, open, quiet, report, same, server, test, truth, until } from "./harness.mjs";

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
await until("the spans are counted", async () => (await (await fetch(idless.url)).text()).includes("2 spans came, with 2 runs"));

const detail = async (at, id) => (await (await fetch(`${at.url}/api/v1/observability/sessions/${id}/`)).json());
await until("both turns of the coding agent are there", async () => (await detail(coded, "code-7")).runs?.length === 3);
const turns = (await detail(coded, "code-7")).runs;

const session = `${main.url}/sessions/conv-42`;
const runs = (await (await fetch(`${main.url}/api/v1/observability/sessions/conv-42/`)).json()).runs;
const trace = `${main.url}/traces/${runs[0].trace_id}?run=${runs[0].id}`;
const PAGES = {
  list: `${main.url}/?sort=session_id&limit=5`,
  "no-session-fits": `${main.url}/?search=zzz&agent=support&status=error`,
  "bad-value": `${main.url}/?sort=cost`,
  "nothing-received": `${fresh.url}/`,
  "no-session-id": `${idless.url}/`,
  session,
  conversation: `${session}?view=conversation`,
  chat: `${main.url}/sessions/chat-7?view=conversation`,
  trace,
  "trace-span": `${trace}&span=0000000000000002`,
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
  login: `${guarded.url}/login`,
  status: `${main.url}/status`,
};

const context = (options = {}) => chromium.newContext({ viewport: { width: 1280, height: 860 }, ...options });

// --- every page: its tree, no objection of axe-core, no complaint of the browser, no wider than a phone

for (const [name, url] of Object.entries(PAGES)) {
  await test(`${name}: the accessibility tree is the kept one`, async () => {
    const visit = await context();
    const page = await open(visit, url);
    await golden(page, name);
    if (!["bad-value", "overview-bad-value", "not-found"].includes(name)) quiet(page);
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
      for (const width of [620, 980, 1100]) {
        await page.setViewportSize({ width, height: 740 });
        await fits(page);
      }
      await visit.close();
    }
  });
}

// --- without JavaScript

await test("without JavaScript: list, sort, search, filter, page, open, all work", async () => {
  const visit = await context({ javaScriptEnabled: false });
  const page = await open(visit, main.url);
  const ids = () => page.locator("tbody th a.session").allTextContents();
  same((await ids()).length, 25, "the first page");
  await page.getByRole("link", { name: "Cost" }).click();
  same(await page.locator("th[aria-sort=descending]").textContent(), "Cost ↓");
  await page.getByRole("link", { name: "Cost" }).click();
  same(await page.locator("th[aria-sort=ascending]").textContent(), "Cost ↑");
  await page.getByRole("searchbox", { name: "Search" }).fill("CROWD");
  await page.getByLabel("Agent").selectOption("reader");
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
  same(await page.locator("table.waterfall tr[aria-current] a").textContent(), "invoke_agent tracker");
  await page.getByRole("link", { name: "chat house-large" }).click();
  same(await page.locator("ol.talk .said").allTextContents(), ["Where is my parcel?", "On its way: <b>Porto</b>, since yesterday."]);
  await page.getByRole("link", { name: "conv-42" }).click();
  await page.getByRole("link", { name: "Conversation" }).click();
  same(await page.locator(".turn > ol.talk > li.user .said").allTextContents(), ["Where is my parcel?", "And my refund?"]);
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
  const page = await open(visit, `${main.url}/?search=crowd`);
  const ground = () => page.locator("html").evaluate((node) => getComputedStyle(node).backgroundColor);
  const light = await ground();
  await page.getByRole("link", { name: "Dark" }).click();
  const dark = await ground();
  truth(light !== dark, `${light} in both`);
  truth(page.url().endsWith("/?search=crowd"), page.url());
  await page.goto(session);
  same(await ground(), dark, "on another page");
  await visit.close();
});

// --- with JavaScript

await test("search as you type replaces the list only and keeps the focus and the address", async () => {
  const visit = await context();
  const page = await open(visit, main.url);
  await page.keyboard.press("/");
  await page.keyboard.type("crowd-1", { delay: 20 });
  await until("the list is searched", async () => (await page.locator(".found").textContent()) === "10 sessions");
  same(await page.evaluate(() => [document.activeElement.id, document.activeElement.value]), ["search", "crowd-1"]);
  truth(page.url().endsWith("/?search=crowd-1"), page.url());
  await page.getByLabel("Agent").selectOption("reader");
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
    const page = await open(visit, main.url);
    await page.getByRole("searchbox").fill(id);
    await page.waitForURL("**/traces/**");
    await page.close();
  }
  await visit.close();
});

await test("a list that is open changes by itself and keeps focus, scroll and selection", async () => {
  const visit = await context({ viewport: { width: 1280, height: 500 } });
  const page = await open(visit, `${main.url}/?search=live-&limit=100`);
  await until("it says that nothing fits", async () => (await page.locator("#list h2").count()) === 1);
  for (let n = 0; n < 30; n += 1) await send(main, [agent(700 + n, 1, 0, "live", `live-${n}`, 5000 + n, 5001 + n)]);
  await until("all are shown", async () => (await page.locator("tbody tr").count()) === 30);
  await page.evaluate(() => window.scrollTo(0, 600));
  const row = page.getByRole("link", { name: "live-5", exact: true });
  await row.focus();
  const before = await page.evaluate(() => window.scrollY);
  await send(main, [agent(750, 1, 0, "live", "live-new", 9000, 9001), agent(751, 1, 0, "live", "live-5", 9100, 9101)]);
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
  await until("what waited is shown", async () => (await page.locator("tbody tr").count()) === 32);
  await page.getByRole("button", { name: "Pause updates" }).click();
  await send(main, [agent(753, 1, 0, "live", "live-newest", 9300, 9301)]);
  await page.waitForTimeout(1_500);
  same(await page.locator("tbody tr").count(), 32, "while paused");
  await page.getByRole("button", { name: "Pause updates" }).click();
  await until("updates go on", async () => (await page.locator("tbody tr").count()) === 33);
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
    const reachable = await page.evaluate(() => [...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, summary, [tabindex='0']")]
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
  const page = await open(visit, main.url);
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  same(await page.evaluate(() => document.activeElement.id), "content", "the skip link");
  await visit.close();
});

await test("texts are copied by a button", async () => {
  const visit = await context({ permissions: ["clipboard-read", "clipboard-write"] });
  const page = await open(visit, session);
  await page.getByText("TraceQL").click();
  await page.locator("[data-copy=text-traceql]").click();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  truth(copied.includes('span.session.id = "conv-42"'), copied);
  await visit.close();
});

await test("an id made to break pages breaks none", async () => {
  const visit = await context();
  const page = await open(visit, main.url);
  await page.getByRole("searchbox").fill("<script>");
  await until("it is found", async () => (await page.locator("tbody tr").count()) === 1);
  await page.locator("a.session").click();
  await page.waitForURL("**/sessions/**");
  same(await page.locator("h1 bdi").textContent(), HOSTILE);
  await page.locator("ol.timeline a").click();
  await page.waitForURL("**/traces/**");
  truth((await page.locator("script").count()) === 1, "a script came in");
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

await chromium.close();
for (const [name, one] of Object.entries({ main, fresh, idless, guarded, coded })) {
  await test(`${name}: the server stops as asked`, async () => same(await one.stop(), 0));
}
report();
