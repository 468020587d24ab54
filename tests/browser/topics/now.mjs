// The front page over a running nginx: curves, figures, and that they are live.
export default async (t) => {
  const { assert } = t;

  await t.test("figures and curves of what nginx counted", async ({ page }) => {
    await t.logIn(page, "ana");
    await page.goto("/");
    await page.waitForSelector("#live.good");
    assert.equal(await page.textContent("#live"), "live");
    // Counted steps are drawn when they are over: within ten seconds.
    await page.waitForFunction(() => document.querySelectorAll("#verdicts canvas, #share canvas").length === 2, null, { timeout: 25_000 });
    await page.waitForFunction(() => /[1-9]\d* ?requests stopped/.test(document.querySelector("#figures").textContent.replace(/\s+/g, " ")));
    const text = (await page.textContent("#figures")).replace(/\s+/g, " ");
    assert.match(text, new RegExp(`${t.more.model.slice(0, 12)} workers: 2`));
    assert.match(text, /shop answers/);
    assert.match(text, /Enforcement is not held back/);
    await t.accessible(page);
    await page.setViewportSize({ width: 360, height: 700 });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(wide <= 360, `${wide} wide`);
  });

  await t.test("it is live: what comes while the page is open is seen", async ({ page }) => {
    await t.logIn(page, "ana");
    await page.goto("/");
    const before = await page.evaluate(() => Number(document.documentElement.dataset.told ?? 0));
    await page.waitForFunction((before) => Number(document.documentElement.dataset.told) > before + 1, before, { timeout: 20_000 });
    assert.match(await page.textContent("#figures time, #figures"), /./);
  });

  await t.test("a page that is refused comes back", { errors: /503/ }, async ({ page }) => {
    await t.logIn(page, "ana");
    let refused = 0;
    await page.route("**/now/events*", (route) => {
      refused += 1;
      return refused <= 2 ? route.fulfill({ status: 503, body: "" }) : route.continue();
    });
    await page.goto("/");
    await page.waitForSelector("#live.warn");
    await page.waitForSelector("#live.good", { timeout: 20_000 });
    assert.equal(refused, 3);
  });

  await t.test("a day and a week, by keyboard", async ({ page }) => {
    await t.logIn(page, "ana");
    await page.goto("/");
    await t.tabTo(page, 'a[href*="span=day"]');
    await page.keyboard.press("Enter");
    await page.waitForURL("**/?span=day&zone=clients");
    assert.equal(await page.locator('a[aria-current="true"]').first().textContent(), "day");
  });

  await t.test("a stream ends with the session", { errors: /401|403|ERR_/ }, async ({ page, context }) => {
    await page.goto("/log-in");
    await page.fill("#name", "vic");
    await page.fill("#password", t.more.password);
    await page.click("main button.main");
    await page.waitForURL((url) => url.pathname === "/");
    await page.waitForSelector("#live.good");
    const other = await context.newPage();
    await other.goto("/users").catch(() => {});
    await other.click(".who button");
    await other.waitForURL("**/log-in");
    await page.waitForSelector("#live.warn", { timeout: 20_000 });
  });
};
