// A second run is rejected, and a kept model is promoted; both by keyboard alone. `more`: {after}.
export default async (t) => {
  const { assert } = t;

  await t.test("an operator rejects a run, which needs a reason", async ({ page }) => {
    await t.logIn(page, "olga");
    await page.goto("/models/runs/2");
    assert.equal(await page.getAttribute("#why", "required"), "");
    await t.tabTo(page, "#why");
    await page.keyboard.type("too few people in it");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".chip.bad");
    assert.match(await page.textContent("h1"), /rejected/);
    assert.equal(await page.locator("main form").count(), 0, "nothing is left to decide");
    await page.goto("/audit");
    assert.match(await page.textContent("tbody"), /olga\s*dashboard\.retrain\.reject\s*run:2/);
  });

  await t.test("an approver promotes a model that is kept", async ({ page }) => {
    await t.logIn(page, "ana");
    await page.goto(`/models/kept/${t.more.after}`);
    assert.equal(await page.locator("h1 .chip").count(), 0, "it is not the champion");
    await t.accessible(page);
    await t.tabTo(page, "#note");
    await page.keyboard.type("the shop is calm again");
    await page.keyboard.press("Enter");
    await page.waitForURL("**/models");
    assert.match(await page.textContent(".card"), new RegExp(t.more.after.slice(0, 12)));
    await page.goto("/audit");
    assert.match(await page.textContent("tbody"), /ana\s*dashboard\.model\.promote/);
  });
};
