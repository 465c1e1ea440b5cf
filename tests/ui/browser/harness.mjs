// Servers, a browser, and a list of tests with a count at the end.

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
export const root = join(here, "../../..");
const require = createRequire(join(root, "target/browser/"));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
];

export async function browser() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: FLAGS });
}

// --- servers

export async function server({ config = "", ...settings } = {}) {
  const dir = mkdtempSync(join(tmpdir(), "sessionfold-ui-"));
  const file = join(dir, "sessionfold.toml");
  writeFileSync(file, config);
  const env = {
    SESSIONFOLD_DATA_DIR: join(dir, "data"), SESSIONFOLD_OTLP_GRPC: "127.0.0.1:0", SESSIONFOLD_OTLP_HTTP: "127.0.0.1:0",
    SESSIONFOLD_HTTP: "127.0.0.1:0", SESSIONFOLD_RETENTION_MAX_AGE: "0s", SESSIONFOLD_FOLD_RUN_TIMEOUT: "3650d", ...settings,
  };
  const child = spawn(join(root, "target/debug/sessionfold"), ["--config", file], { env, stdio: ["ignore", "pipe", "ignore"] });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const line = await new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).once("line", resolve);
    child.once("exit", (code) => reject(new Error(`the server ended with ${code}`)));
  });
  const ready = JSON.parse(line);
  const stop = async () => { child.kill("SIGTERM"); const code = await ended; rmSync(dir, { recursive: true, force: true }); return code; };
  return { ...ready, url: `http://${ready.http}`, stop };
}

export async function until(what, isSo, ms = 20_000) {
  const end = Date.now() + ms;
  while (!(await isSo())) {
    if (Date.now() > end) throw new Error(`never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

export const count = async (at) => (await (await fetch(`${at.url}/api/v1/observability/sessions/`)).json()).count;

// --- tests

let passed = 0;
let failed = 0;

export async function test(name, run) {
  try {
    await run();
    passed += 1;
    console.log(`ok      ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED  ${name}\n        ${String(error.stack ?? error).replaceAll("\n", "\n        ")}`);
  }
}

export function report() {
  console.log(`\n${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}

export function same(actual, expected, what = "") {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${what}\n  is       ${a}\n  expected ${b}`);
}

export function truth(is, what) {
  if (!is) throw new Error(what);
}

// --- checks

/** What the status page measures differs from run to run: its figures become N, and the order of the limits, fullest first, that of the alphabet.
 * A search says how far it looked: that is as long as the tests took. */
function still(tree, name) {
  if (name === "search") return tree.replace(/through .* of spans/, "through N of spans").replace(/back to\n(\s*- time: )[^\n]*/, "back to\n$1T");
  if (name !== "status") return tree;
  const figures = tree.replaceAll(/\d{4}-\d\d-\d\d|\d\d:\d\d:\d\d/g, "T").replaceAll(/\d[\d,.]*( (B|KiB|MiB|GiB|TiB|%|ms|s|min|h|d)\b| %)?/g, "N").replaceAll(/N( N)+/g, "N");
  const lines = figures.split("\n");
  const rows = lines.flatMap((line, at) => (/^\s*- row "(?!What)/.test(line) ? [at] : []));
  if (rows.length === 0) return figures;
  const end = lines.findIndex((line, at) => at > rows.at(-1) && !line.startsWith(`${/^\s*/.exec(lines[rows[0]])[0]} `));
  const blocks = rows.map((at, n) => lines.slice(at, rows[n + 1] ?? end).join("\n")).sort();
  return [...lines.slice(0, rows[0]), ...blocks, ...lines.slice(end)].join("\n");
}

/** The status page as a machine with room to spare would show it: it warns of a disk that others have filled, as it should, and this test may run there. */
async function onAnEmptyMachine(page) {
  await page.evaluate(() => {
    const machine = ["disk", "memory", "file_descriptors"];
    for (const about of machine) {
      document.querySelector(`ul.warnings li[data-about=${about}]`)?.remove();
      for (const text of document.querySelector(`tr[data-key=${about}] td.share`)?.childNodes ?? []) text.textContent = text.textContent.replace(", near it", "");
    }
    const list = document.querySelector("ul.warnings");
    if (list === null || list.children.length > 0) return;
    list.replaceWith(Object.assign(document.createElement("p"), { textContent: "Nothing." }));
    document.querySelector("p.verdict .badge").textContent = "all is well";
  });
}

/** The page's accessibility tree is the one that is kept. UPDATE_GOLDEN=1 keeps the new one. */
export async function golden(page, name) {
  const path = join(here, "../golden", `${name}.yml`);
  if (name === "status") await onAnEmptyMachine(page);
  await page.waitForFunction(() => document.querySelector("[data-live-word]")?.textContent !== "Connecting");
  const tree = `${still((await page.locator("body").ariaSnapshot()).replaceAll(/127\.0\.0\.1:\d+/g, "127.0.0.1:PORT"), name)}\n`;
  if (process.env.UPDATE_GOLDEN) { writeFileSync(path, tree); return; }
  const kept = readFileSync(path, "utf8");
  if (kept === tree) return;
  const [is, was] = [tree.split("\n"), kept.split("\n")];
  const others = [...is.keys(), is.length].filter((n) => is[n] !== was[n]).slice(0, 5);
  const lines = others.map((n) => `  line ${n + 1}\n    is   ${is[n]}\n    kept ${was[n]}`);
  throw new Error(`${name}.yml differs:\n${lines.join("\n")}\nUPDATE_GOLDEN=1 keeps the new tree`);
}

/** axe-core finds nothing to object to: WCAG 2.0 to 2.2, A and AA, and its best practices. */
export async function accessible(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  if (violations.length === 0) return;
  const lines = violations.map((v) => `${v.id} (${v.impact}): ${v.help}\n    ${v.nodes.slice(0, 3).map((n) => `${n.html.slice(0, 160)} ${n.failureSummary?.split("\n")[1] ?? ""}`).join("\n    ")}`);
  throw new Error(lines.join("\n  "));
}

/** Nothing is wider than the window. */
export async function fits(page) {
  const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  truth(over <= 0, `the page is ${over} px wider than its window`);
}

/** A page that fails the test if the browser complains of anything. */
export async function open(context, url) {
  const page = await context.newPage();
  page.complaints = [];
  page.on("console", (message) => { if (["error", "warning"].includes(message.type())) page.complaints.push(message.text()); });
  page.on("pageerror", (error) => page.complaints.push(error.message));
  page.on("dialog", (dialog) => { page.complaints.push(`a dialog: ${dialog.message()}`); dialog.dismiss(); });
  if (url) await page.goto(url);
  return page;
}

export const quiet = (page) => same(page.complaints, [], "the browser complained");
