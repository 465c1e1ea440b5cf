// A part of the time is chosen by dragging over the bars of a chart, with a mouse that really moves and a finger that does.

import { agent, beginning, chatty, send } from "./data.mjs";
import { open, quiet, same, server, test, truth, until } from "./harness.mjs";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export async function charts(chromium) {
  const at = await server();
  // Yesterday at noon: what is old is kept by the hour. One run of a session of its own at the beginning of each ten minutes of two hours.
  const base = Math.floor(Date.now() / DAY) * DAY - 12 * HOUR;
  const run = (n, seconds) => beginning(base, [agent(n, 1, 0, "planner", `s${n}`, seconds, seconds + 2)]);
  for (let n = 0; n < 12; n += 1) await send(at, run(n + 1, n * 600));
  const time = (minutes) => new Date(base + minutes * MINUTE).toISOString().replace(".000Z", "Z");
  const overview = `${at.url}/overview?since=${time(0)}&until=${time(120)}&agent=planner`;
  const list = `${at.url}/sessions?agent=planner&start=${time(0)}&end=${time(120)}&sort=session_id`;
  const n_runs = async (page) => Number(await page.locator(".headline dd.figure data").first().getAttribute("value"));
  await until("all runs are there", async () => (await (await fetch(`${at.url}/api/v1/observability/overview/?since=${time(0)}&until=${time(120)}`)).json()).totals?.run_count === 12);

  const visit = (options = {}) => chromium.newContext({ viewport: { width: 1280, height: 1400 }, timezoneId: "UTC", ...options });

  /** Where the middle of a bar is, as part of the height of its chart. */
  const spot = async (svg, bar, height = 0.5) => {
    const box = await svg.boundingBox();
    const n = await svg.evaluate((node) => node.viewBox.baseVal.width / 10);
    return [box.x + ((bar + 0.5) / n) * box.width, box.y + box.height * height];
  };
  const drag = async (page, svg, from, to) => {
    await page.mouse.move(...(await spot(svg, from)));
    await page.mouse.down();
    await page.mouse.move(...(await spot(svg, to)), { steps: 5 });
  };
  const range = (page, names) => names.map((name) => new URL(page.url()).searchParams.get(name));
  const shown = (from, to) => `${from.slice(0, 10)} ${from.slice(11, 19)} to ${to.slice(11, 19)}`;

  await test("a range is dragged over on each chart of the overview, in either direction, and its times are said meanwhile", async () => {
    const context = await visit();
    const page = await open(context, overview);
    for (const [name, from, to] of [["runs", 3, 6], ["cost", 6, 3], ["tokens", 3, 6], ["duration", 6, 3]]) {
      await page.goto(overview);
      const svg = page.locator(`.chart.${name} > svg`);
      await drag(page, svg, from, to);
      same(await page.locator(".chosen-time").textContent(), shown(time(30), time(70)), name);
      same(await svg.locator("rect.chosen").evaluate((rect) => ["x", "width", "height"].map((name) => Number(rect.getAttribute(name)))), [30, 40, 100]);
      truth(page.url() === overview.replaceAll(" ", "%20"), "nothing happens before the button is let go");
      await page.mouse.up();
      await page.waitForURL((url) => url.search.includes(encodeURIComponent(time(30))));
      same(range(page, ["since", "until", "agent"]), [time(30), time(70), "planner"], name);
      same(await n_runs(page), 4, "runs in the range");
    }
    await page.goBack();
    same(await n_runs(page), 12, "after going back");
    same(await page.locator(".chosen, .chosen-time").count(), 0, "what is left of it");
    quiet(page);
    await context.close();
  });

  await test("without moving to another bar, a bar is the link that it is without JavaScript", async () => {
    for (const javaScriptEnabled of [true, false]) {
      const context = await visit({ javaScriptEnabled });
      const page = await open(context, overview);
      const svg = page.locator(".chart.runs > svg");
      const [x, y] = await spot(svg, 5);
      await page.mouse.move(x, y);
      await page.mouse.down();
      // A browser on its own would drag the link away.
      if (javaScriptEnabled) await page.mouse.move(x + 2, y + 9);
      await page.mouse.up();
      await page.waitForURL((url) => url.search.includes(encodeURIComponent(time(50))));
      same(range(page, ["since", "until"]), [time(50), time(60)]);
      same(await n_runs(page), 1);
      await page.goto(overview);
      const [opened] = await Promise.all([context.waitForEvent("page"), page.mouse.click(x, y, { button: "middle" })]);
      await opened.waitForLoadState();
      same(range(opened, ["since", "until"]), [time(50), time(60)], "in a tab of its own");
      quiet(page);
      await context.close();
    }
  });

  await test("Escape puts off what is dragged, and what changed meanwhile is shown then", async () => {
    const context = await visit();
    const page = await open(context, overview);
    await page.waitForFunction(() => document.querySelector("[data-live-word]").textContent === "Live");
    const svg = page.locator(".chart.runs > svg");
    await drag(page, svg, 2, 8);
    await send(at, run(20, 610));
    await until("it has come", async () => (await (await fetch(`${at.url}/api/v1/observability/overview/?since=${time(0)}&until=${time(120)}`)).json()).totals?.run_count === 13);
    await page.waitForTimeout(1_500);
    same([await n_runs(page), await svg.locator("rect.chosen").count()], [12, 1], "nothing moves under the pointer");
    await page.keyboard.press("Escape");
    same(await page.locator(".chosen, .chosen-time, .dragging").count(), 0, "what is left of it");
    await until("the new run is counted", async () => (await n_runs(page)) === 13);
    await page.mouse.move(...(await spot(svg, 2)));
    await page.mouse.up();
    await page.waitForTimeout(300);
    same(page.url(), overview, "nothing was chosen, and the bar below was not clicked");
    await page.mouse.click(...(await spot(svg, 4)));
    await page.waitForURL((url) => url.search.includes(encodeURIComponent(time(40))));
    quiet(page);
    await context.close();
  });

  await test("a range is dragged over above the list, from where there is no bar as well", async () => {
    const context = await visit();
    const page = await open(context, list);
    const svg = page.locator(".histogram > svg");
    // Five minutes each, and nothing in every other.
    await drag(page, svg, 5, 13);
    same(await page.locator(".chosen-time").textContent(), shown(time(30), time(65)).replace("13:05:00", "13:04:59"));
    await page.mouse.up();
    await page.waitForURL((url) => url.search.includes(encodeURIComponent(time(30))));
    same(range(page, ["start", "agent", "sort"]), [time(30), "planner", "session_id"]);
    same(await page.locator("tbody th a.session").allTextContents(), ["s4", "s5", "s6", "s7"]);
    await page.goto(list);
    await drag(page, svg, 7, 7.4);
    await page.mouse.move(...(await spot(svg, 5)));
    await page.mouse.move(...(await spot(svg, 7)));
    await page.mouse.up();
    await page.waitForTimeout(300);
    same(page.url(), list, "a range without a session leads nowhere");
    quiet(page);
    await context.close();
  });

  await test("a range is dragged over on the charts of a tool", async () => {
    await send(at, beginning(base + 5 * HOUR, chatty()));
    const tool = `${at.url}/tools/tell_depot?since=${time(300)}&until=${time(360)}&agent=shop`;
    await until("its call is there", async () => (await (await fetch(tool)).text()).includes("chart duration"));
    const context = await visit();
    const page = await open(context, tool);
    await drag(page, page.locator(".chart.duration > svg"), 0, 2);
    await page.mouse.up();
    await page.waitForURL((url) => url.search.includes(encodeURIComponent(time(330))));
    same(range(page, ["since", "until", "agent"]), [time(300), time(330), "shop"]);
    same(await page.locator(".headline dd.figure data").first().getAttribute("value"), "1", "its call");
    await page.goto(tool);
    await drag(page, page.locator(".chart.runs > svg"), 5, 3);
    await page.mouse.up();
    await page.getByText("It was not called in this time").waitFor();
    same(range(page, ["since", "until"]), [time(330), time(360)]);
    quiet(page);
    await context.close();
  });

  await test("the times below the charts are the reader's, as all others are", async () => {
    for (const [timezoneId, begin, end] of [["UTC", "12:00", "14:00"], ["Asia/Tokyo", "21:00", "23:00"]]) {
      const context = await visit({ timezoneId });
      const page = await open(context, overview);
      same(await page.locator(".chart.runs .times time").allTextContents(), [begin, `${Number(begin.slice(0, 2)) + 1}:00`, end], timezoneId);
      await context.close();
    }
  });

  await test("a finger drags sidewise, and scrolls up and down", async () => {
    const context = await visit({ viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true });
    const page = await open(context, overview);
    const svg = page.locator(".chart.runs > svg");
    await svg.scrollIntoViewIfNeeded();
    const devtools = await context.newCDPSession(page);
    const touch = (type, ...points) => devtools.send("Input.dispatchTouchEvent", { type, touchPoints: points.map(([x, y]) => ({ x, y })) });
    const [from, to] = [await spot(svg, 8), await spot(svg, 10)];
    await touch("touchStart", from);
    await touch("touchMove", [from[0], from[1] - 30]);
    await touch("touchMove", [to[0], from[1] - 120]);
    await touch("touchEnd");
    await page.waitForTimeout(300);
    same(page.url(), overview, "scrolling chooses nothing");
    truth((await page.evaluate(() => window.scrollY)) > 0, "the page was scrolled");
    await svg.scrollIntoViewIfNeeded();
    const [begin, middle, end] = [await spot(svg, 8), await spot(svg, 9), await spot(svg, 10)];
    await touch("touchStart", begin);
    await touch("touchMove", middle);
    await touch("touchMove", end);
    await until("the bars under the finger are chosen", async () => (await page.locator(".chosen-time").textContent()) === shown(time(80), time(110)));
    await touch("touchEnd");
    await page.waitForURL((url) => url.search.includes(encodeURIComponent(time(80))));
    same(range(page, ["since", "until"]), [time(80), time(110)]);
    quiet(page);
    await context.close();
  });

  await test("charts: the server stops as asked", async () => same(await at.stop(), 0));
}
