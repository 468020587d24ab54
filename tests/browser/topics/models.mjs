// A model that waits: who may decide, what is shown, and the approval.
const REFUSED = /40[349]/;

export default async (t) => {
  const { assert } = t;

  await t.test("everybody reads what is in force, and who may decide", async ({ page }) => {
    await t.logIn(page, "vic");
    await page.goto("/models");
    assert.match(await page.textContent("main"), new RegExp(t.more.before.slice(0, 12)));
    assert.match(await page.textContent(".note.warn"), /waits for a decision/);
    await t.accessible(page);
    await page.click(".note.warn a");
    await page.waitForURL("**/models/runs/1");
    assert.equal(await page.locator("main form").count(), 0);
    assert.match(await page.textContent("main"), /takes the role approver, rejecting the role operator/);
    assert.equal(await page.locator("figure svg").count(), 5);
    const legible = await page.evaluate(() => getComputedStyle(document.querySelector("figure svg text")).fill);
    assert.notEqual(legible, "rgb(1, 1, 1)", "plots have the colours of the page");
    await t.accessible(page);
  });

  await t.test("pages are in Japanese, too", { locale: "ja-JP" }, async ({ page }) => {
    await t.logIn(page, "vic");
    for (const path of ["/models", "/models/runs/1", "/audit"]) {
      await page.goto(path);
      assert.equal(await page.getAttribute("html", "lang"), "ja");
      assert.match(await page.textContent("h1"), /[\u3040-\u30ff\u4e00-\u9fff]/);
    }
    assert.match(await page.textContent("th"), /日時/);
  });

  await t.test("nobody decides without the role, whatever they send", { errors: REFUSED }, async ({ page }) => {
    await t.logIn(page, "olga");
    await page.goto("/models/runs/1");
    assert.equal(await page.locator("form[action$=approve]").count(), 0);
    assert.equal(await page.locator("form[action$=reject]").count(), 1);
    const status = (path) => page.evaluate(async (path) => {
      const body = new URLSearchParams({ csrf: document.querySelector('input[name="csrf"]').value, text: "why", champion: "0".repeat(64) });
      const answer = await fetch(path, { method: "POST", body });
      return answer.status;
    }, path);
    assert.equal(await status("/models/runs/1/approve"), 403);
    assert.equal(await status("/models/roll-back"), 403);
    assert.equal(await status("/models/runs/9/reject"), 404);
    await t.logIn(page, "vic");
    assert.equal(await status("/models/runs/1/reject"), 403);
  });

  await t.test("nothing is wider than a phone", { viewport: { width: 360, height: 700 } }, async ({ page }) => {
    await t.logIn(page, "ana");
    for (const path of ["/models", "/models/runs/1", "/audit"]) {
      await page.goto(path);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(wide <= 360, `${path} is ${wide} wide`);
    }
  });

  await t.test("an approver makes it the champion", async ({ page }) => {
    await t.logIn(page, "ana");
    await page.goto("/models/runs/1");
    await t.accessible(page);
    await t.tabTo(page, "#note");
    await page.keyboard.type("looks <b>right</b>");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".chip.good");
    assert.match(await page.textContent("h1"), /promoted/);
    await page.goto("/models");
    assert.match(await page.textContent(".card"), /Champion[\s\S]*by\s*ana/);
    assert.equal(await page.locator("main b:has-text('right')").count(), 0, "a note is text");
    assert.match(await page.textContent("main"), /looks <b>right<\/b>/);
    await page.goto("/audit");
    assert.match(await page.textContent("tbody"), /ana\s*dashboard\.retrain\.approve\s*run:1/);
    await t.accessible(page);
  });
};
