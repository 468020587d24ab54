// A picture of one page, or of the one that the first link leads to which a selector finds: node picture.mjs URL FILE [SELECTOR].
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [url, file, selector] = process.argv.slice(2);
const profile = mkdtempSync(join(tmpdir(), "sekisho-picture-"));
const context = await chromium.launchPersistentContext(profile, {
  executablePath: "/usr/bin/chromium",
  args: [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
  ],
  viewport: { width: 1180, height: 1560 },
  deviceScaleFactor: 1.5,
  locale: "en-GB",
  colorScheme: "light",
});
const page = await context.newPage();
await page.goto(url);
if (selector) {
  await page.locator(selector).first().click();
  await page.waitForLoadState();
}
await page.screenshot({ path: file });
await context.close();
rmSync(profile, { recursive: true, force: true });
