// The pictures of README and docs: `scripts/pictures` runs this, and makes them smaller.

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { browser, root, server } from "../tests/ui/browser/harness.mjs";

// Sharp on a display of twice the density, where README is 830 px wide.
const SHARP = 1.5;
const IMAGES = join(root, "docs/images");

const at = await server();
const chromium = await browser();

// What the demo says is worth a look, by its name there.
const said = execFileSync(join(root, "target/debug/sessionfold"), ["demo", "--seed", "7", "--otlp-http", at.otlp_http, "--http", at.http], { encoding: "utf8" });
const tour = Object.fromEntries([...said.matchAll(/^  (\S.*?) {2,}(?:curl )?(http\S+)$/gm)].map(([, what, url]) => [what, url]));

/**
 * What a window shows of a page, `from` what that finds in it on; with `whole` rows of tables no row is cut, and the picture is a little lower
 * than the window.
 */
async function shot(url, { width = 1280, height = 800, from, whole = false, path } = {}) {
  const context = await chromium.newContext({ viewport: { width, height }, deviceScaleFactor: SHARP, reducedMotion: "reduce" });
  const page = await context.newPage();
  await page.goto(url, { waitUntil: "load" });
  // The first event of a page that updates itself.
  await page.waitForTimeout(500);
  if (from) await from(page).evaluate((first) => scrollTo(0, first.getBoundingClientRect().top - 12));
  const bottom = (below) => Math.max(...[...document.querySelectorAll("tr, li")].map((row) => row.getBoundingClientRect().bottom).filter((at) => at <= below));
  const clip = { x: 0, y: 0, width, height: whole ? Math.floor(await page.evaluate(bottom, height)) : height };
  const picture = await page.screenshot({ path, clip });
  await context.close();
  return picture;
}

/** Two pictures of the same size side by side. */
async function beside(left, right, { width, height, path }) {
  const gap = 24;
  const size = { width: 2 * width + 3 * gap, height: height + 2 * gap };
  const context = await chromium.newContext({ viewport: size, deviceScaleFactor: SHARP });
  const page = await context.newPage();
  const image = (picture) => `<img src="data:image/png;base64,${picture.toString("base64")}" width="${width}" height="${height}">`;
  await page.setContent(`<style>
    body { margin: ${gap}px; display: flex; gap: ${gap}px; background: #dfe3ec; }
    img { border-radius: 8px; box-shadow: 0 0 0 1px #c3c9d6; }
  </style>${image(left)}${image(right)}`, { waitUntil: "load" });
  await page.screenshot({ path });
  await context.close();
}

const image = (name) => join(IMAGES, `${name}.png`);

const failed = tour["a run that failed"];
const half = { width: 600, height: 850 };
const failure = await shot(`${failed}?view=conversation`, { ...half, from: (page) => page.locator(".turn", { hasText: "model call failed" }).first() });
const costs = await shot(failed, { ...half, from: (page) => page.getByRole("region", { name: "Cost and tokens" }) });
await beside(failure, costs, { ...half, path: image("conversation") });

await shot(`${at.url}/overview`, { height: 1000, whole: true, path: image("overview") });

await shot(tour["all of them"], { width: 1360, height: 800, whole: true, path: image("list") });

await shot(tour["several agents"], { height: 1180, whole: true, path: image("session") });

const session = await (await fetch(tour["several agents"].replace("/sessions/", "/api/v1/observability/sessions/"))).json();
const { trace_id, id } = session.runs[0];
await shot(`${at.url}/traces/${trace_id}?run=${id}`, { height: 900, whole: true, path: image("trace") });

await chromium.close();
await at.stop();
