// Pages when there is nothing to show yet: each says what to do.
export default async (t) => {
  const { assert } = t;
  const empty = {
    "/": /\[\[nginx\]\]/,
    "/models": /sekisho retrain --once/,
    "/language-models": /\[\[llm\.targets\]\]/,
    "/audit": /user\.add|Nothing was changed/,
  };

  for (const [path, expected] of Object.entries(empty)) {
    await t.test(`${path} says what to do`, async ({ page }) => {
      await t.logIn(page, "ana");
      await page.goto(path);
      assert.match(await page.textContent("main"), expected);
      await t.accessible(page);
      await page.setViewportSize({ width: 360, height: 700 });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(wide <= 360, `${wide} wide`);
    });
  }
};
