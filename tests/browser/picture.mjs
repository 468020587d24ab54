// A picture of one page: node picture.mjs URL FILE.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [url, file] = process.argv.slice(2);
const profile = mkdtempSync(join(tmpdir(), "sekisho-picture-"));
const context = await chromium.launchPersistentContext(profile, {
  executablePath: "/usr/bin/chromium",
  args: [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
  ],
  viewport: { width: 1180, height: 1040 },
  deviceScaleFactor: 1.5,
  locale: "en-GB",
  colorScheme: "light",
});
const page = await context.newPage();
await page.goto(url);
// The second message of the stream has drawn the plots anew.
await page.waitForTimeout(4000);
await page.screenshot({ path: file });
await context.close();
rmSync(profile, { recursive: true, force: true });
