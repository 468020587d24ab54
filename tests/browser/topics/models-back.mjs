// The champion is taken back, which is asked once more.
export default async (t) => {
  const { assert } = t;

  await t.test("a kept model shows what it is", async ({ page }) => {
    await t.logIn(page, "ana");
    await page.goto(`/models/kept/${t.more.after}`);
    assert.match(await page.textContent("h1"), /Champion/);
    assert.equal(await page.locator("figure svg").count(), 5);
    await t.accessible(page);
  });

  await t.test("a page that was left open takes back only what it showed", { errors: /409/ }, async ({ page }) => {
    await t.logIn(page, "ana");
    await page.goto("/models/roll-back");
    await page.evaluate((other) => (document.querySelector("[name=champion]").value = other), t.more.before);
    await page.click("main button.danger");
    await page.waitForSelector("[role=alert]");
    assert.match(await page.textContent("main"), /champion/);
  });

  await t.test("an approver rolls back", async ({ page }) => {
    await t.logIn(page, "ana");
    await page.goto("/models");
    await page.click("main a.danger");
    await page.waitForURL("**/models/roll-back");
    assert.match(await page.textContent("main"), new RegExp(`${t.more.after.slice(0, 12)} goes`));
    await t.accessible(page);
    await page.fill("#why", "too strict");
    await page.click("main button.danger");
    await page.waitForURL("**/models");
    assert.match(await page.textContent(".card"), new RegExp(t.more.before.slice(0, 12)));
    await page.goto("/models/runs/1");
    assert.match(await page.textContent("h1"), /taken back/);
  });
};
