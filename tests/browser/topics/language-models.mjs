// Language models: health and spend, in both languages.
export default async (t) => {
  const { assert } = t;

  await t.test("who is asked, how they do, what they cost", async ({ page }) => {
    await t.logIn(page, "ana");
    await page.goto("/language-models");
    const text = (await page.textContent("main")).replace(/\s+/g, " ");
    assert.match(text, /near.*asks/);
    assert.match(text, /this month \(UTC\)/);
    assert.match(text, /EUR/);
    await t.accessible(page);
  });

  await t.test("in Japanese", { locale: "ja-JP" }, async ({ page }) => {
    await t.logIn(page, "ana");
    await page.goto("/language-models");
    assert.equal(await page.textContent("h1"), "言語モデル");
  });
};
