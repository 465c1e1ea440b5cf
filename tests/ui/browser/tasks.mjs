// What people come for, and in how many clicks from where a visit begins they have it: the overview, since there is enough to show.

import { agent, beginning, chat, chatty, huge, send, story } from "./data.mjs";
import { count, open, quiet, same, server, test, truth, until } from "./harness.mjs";

const DAY = 86_400_000;
const HOUR = 3_600_000;

export async function tasks(chromium) {
  const shop = await server();
  const now = Date.now();
  const complaint = Math.floor(now / DAY) * DAY - DAY + 15 * HOUR;
  await send(shop, beginning(complaint, story()));
  await send(shop, beginning(now - 3 * HOUR, huge(0, 299)));
  await send(shop, beginning(now - 3 * HOUR, [agent(9_999, 1, 0, "worker-2", "huge", 4000, 4003), chat(9_999, 2, 1, "house-large", 90_000, 900, 1.75, 4000, 4002)]));
  await send(shop, beginning(now - HOUR, chatty()));
  await until("the sessions are there", async () => (await count(shop)) === 3);
  await until("all runs are there", async () => (await (await fetch(`${shop.url}/api/v1/observability/sessions/?search=huge`)).json()).results[0].run_count === 300);

  /** Runs a task from the start, and fails it where it took more clicks. */
  const task = (name, most, run) => test(`${name}: in ${most} clicks`, async () => {
    const visit = await chromium.newContext({ viewport: { width: 1280, height: 860 }, timezoneId: "UTC" });
    const page = await open(visit, `${shop.url}/`);
    same(page.url(), `${shop.url}/overview`, "where a visit begins");
    let n = 0;
    await run(page, async (what) => { n += 1; await what.click(); await page.waitForLoadState("networkidle"); });
    truth(n <= most, `it took ${n} clicks`);
    quiet(page);
    await visit.close();
  });

  const sessions = (page) => page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Sessions" });

  await task("the most expensive call of 300 runs", 1, async (page, click) => {
    await click(page.getByRole("region", { name: "Most expensive runs" }).getByRole("link").first());
    const call = page.locator("table.waterfall tr", { hasText: "chat house-large" });
    truth((await call.textContent()).replaceAll(/\s/g, "").includes("$1.75"), await call.textContent());
  });

  await task("the most expensive call of a session", 3, async (page, click) => {
    await click(sessions(page));
    await click(page.getByRole("link", { name: "huge", exact: true }));
    await click(page.getByText("Most expensive run:").getByRole("link"));
    truth((await page.locator("table.waterfall").textContent()).replaceAll(/\s/g, "").includes("$1.75"), "its cost is there");
  });

  await task("why a run failed", 2, async (page, click) => {
    await click(page.getByRole("region", { name: "Latest failures" }).getByRole("link", { name: "chat-7", exact: true }).first());
    truth(await page.locator("ol.timeline").getByText("Rate limit reached").first().isVisible(), "the timeline says it");
    await click(page.getByRole("link", { name: "Conversation" }));
    truth(await page.locator(".turn", { hasText: "And tomorrow?" }).getByText("Rate limit reached").first().isVisible(), "and so does its turn");
  });

  await task("which tool is slow, and which fails", 2, async (page, click) => {
    await click(page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Tools" }));
    const first = page.locator("tbody tr").first();
    truth((await first.textContent()).includes("tell_depot"), `the slowest is first: ${await first.textContent()}`);
    truth((await first.textContent()).includes("100"), "all of its calls failed");
    await click(first.getByRole("link", { name: "tell_depot" }));
    truth((await page.locator("main a[href*='/traces/']").count()) > 0, "its calls are a click away");
  });

  await task("the complaint of a user, of yesterday at three", 3, async (page, click) => {
    await click(page.getByRole("link", { name: "Users" }));
    await click(page.getByRole("link", { name: "ana", exact: true }));
    await click(page.getByRole("link", { name: "conv-42", exact: true }).first());
    same(new Date(await page.locator("li.run time").first().getAttribute("datetime")).getTime(), complaint);
  });

  await task("two sessions side by side", 3, async (page, click) => {
    await click(page.getByRole("region", { name: "Latest failures" }).getByRole("link", { name: "chat-7", exact: true }).first());
    await click(page.getByRole("link", { name: "Compare with…" }));
    await click(page.getByRole("row", { name: "conv-42" }).getByRole("link", { name: "conv-42" }));
    same(new URL(page.url()).search, "?a=chat-7&b=conv-42");
    for (const id of ["conv-42", "chat-7"]) truth(await page.getByRole("columnheader", { name: id }).isVisible(), id);
  });

  await task("two sessions of the list side by side", 4, async (page, click) => {
    await click(sessions(page));
    await click(page.locator("tbody tr", { hasText: "conv-42" }).locator(".pick input"));
    await click(page.locator("tbody tr", { hasText: "chat-7" }).locator(".pick input"));
    await click(page.getByRole("button", { name: "Compare" }));
    await page.waitForURL("**/compare?**");
    for (const id of ["conv-42", "chat-7"]) truth(await page.getByRole("main").getByText(id).first().isVisible(), id);
  });

  await test("tasks: the server stops as asked", async () => same(await shop.stop(), 0));
}
