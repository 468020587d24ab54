// node run.mjs TOPIC: drives Chromium over a dashboard that runs, and prints what it found in TAP.
// Settings come as JSON in SEKISHO_BROWSER: {base, passwords: {name: password}, more}. A topic is a file of
// topics/ that exports `async (t) => {}` and calls `await t.test(name, async ({ page, ... }) => {})` for each claim.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const settings = JSON.parse(process.env.SEKISHO_BROWSER);
const topic = process.argv[2];
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
// How long one thing on a page is waited for, in milliseconds.
const PATIENCE = 10_000;
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  headless: true,
  args: FLAGS,
});

let count = 0;
let failed = 0;

// What no page may do, whatever the test is about.
function watch(context, faults, { errors: expected, hosts = [] }) {
  context.on("request", (request) => {
    const url = new URL(request.url());
    if (["http:", "https:", "ws:", "wss:"].includes(url.protocol) && ![new URL(settings.base).host, ...hosts].includes(url.host)) {
      faults.push(`a request to ${url.host}: ${request.url()}`);
    }
  });
  const said = (text) => {
    if (!expected?.test(text)) faults.push(text);
  };
  context.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) said(`console: ${message.text()}`);
  });
  context.on("weberror", (error) => said(`script: ${error.error()}`));
  context.on("dialog", (dialog) => said(`a dialog: ${dialog.message()}`) ?? dialog.dismiss());
}

const cookies = {};

// Logs in by the form once a name; later pages get the session that began then, so a test that ends one begins its own.
async function logIn(page, name) {
  if (cookies[name]) {
    await page.context().addCookies(cookies[name]);
    await page.goto(`${settings.base}/`);
    return;
  }
  await page.goto(`${settings.base}/log-in`);
  await page.fill("#name", name);
  await page.fill("#password", settings.passwords[name]);
  await page.click("main button.main");
  await page.waitForURL((url) => url.pathname !== "/log-in");
  cookies[name] = (await page.context().cookies()).filter(({ name }) => name === "sekisho_session");
}

// No serious and no critical finding of axe-core, in light and in dark.
async function accessible(page) {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    // Colours go over into one another in a tenth of a second.
    await page.evaluate(async () => {
      await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
      await Promise.allSettled(document.getAnimations().map((animation) => animation.finished));
    });
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
    const bad = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
    const told = bad.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html, any }) => `${html} ${any.map(({ message }) => message)}`).slice(0, 3).join(" | ")}`);
    assert.deepEqual(told, [], `${page.url()} in ${colorScheme}`);
  }
  await page.emulateMedia({ colorScheme: null });
}

// Presses Tab until this element has the focus, as somebody without a mouse does.
async function tabTo(page, selector, most = 60) {
  for (let pressed = 0; pressed < most; pressed += 1) {
    await page.keyboard.press("Tab");
    if (await page.evaluate((selector) => document.activeElement?.matches(selector), selector)) return;
  }
  assert.fail(`${selector} is not reached by ${most} tabs on ${page.url()}`);
}

const t = {
  base: settings.base,
  more: settings.more ?? {},
  assert,
  logIn,
  accessible,
  tabTo,
  // `options`: those of a browser context, and `errors`: a pattern of console messages that are meant to come,
  // `hosts`: others that may be asked.
  async test(name, options, act) {
    if (act === undefined) [options, act] = [{}, options];
    const { errors, hosts, ...rest } = options;
    const context = await browser.newContext({ baseURL: settings.base, locale: "en-GB", timezoneId: "Asia/Tokyo", ...rest });
    context.setDefaultTimeout(PATIENCE);
    const faults = [];
    watch(context, faults, { errors, hosts });
    count += 1;
    try {
      const page = await context.newPage();
      await act({ page, context });
      // To look at: SEKISHO_SHOTS names a directory for a picture of the page on which each test ends.
      const shots = process.env.SEKISHO_SHOTS;
      if (shots) await page.screenshot({ path: `${shots}/${topic}-${count}.png`, fullPage: true });
      assert.deepEqual(faults, []);
      console.log(`ok ${count} - ${topic}: ${name}`);
    } catch (error) {
      failed += 1;
      console.log(`not ok ${count} - ${topic}: ${name}`);
      console.log(`${error.stack}\n${faults.join("\n")}`.replace(/^/gm, "# "));
    } finally {
      await context.close();
    }
  },
};

try {
  const { default: run } = await import(`./topics/${topic}.mjs`);
  await run(t);
} finally {
  await browser.close();
}
console.log(`1..${count}`);
process.exitCode = failed || count === 0 ? 1 : 0;
