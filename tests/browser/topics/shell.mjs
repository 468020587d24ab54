// The frame of every page: log-in, roles, language, colours, keyboard.
const NOT_FOUND = /404|403|401/;

export default async (t) => {
  const { assert } = t;

  await t.test("who is not logged in comes to the log-in and back", { errors: NOT_FOUND }, async ({ page }) => {
    await page.goto("/users");
    assert.equal(new URL(page.url()).pathname, "/log-in");
    await t.accessible(page);
    await page.fill("#name", "ana");
    await page.fill("#password", "not the password");
    // A refused form is an answer like any other.
    await page.click("main button.main");
    await page.waitForSelector(".fault");
    assert.match(await page.textContent(".fault"), /do not fit/);
    assert.equal(await page.inputValue("#name"), "ana");
    await t.accessible(page);
  });

  await t.test("an approver logs in, sees the users, and logs out", async ({ page, context }) => {
    await page.goto("/users");
    await page.fill("#name", "ana");
    await page.fill("#password", t.more.password);
    await page.click("main button.main");
    await page.waitForURL("**/users");
    assert.match(await page.textContent("main"), /vic\s*viewer/);
    await t.accessible(page);
    const [cookie] = (await context.cookies()).filter(({ name }) => name === "sekisho_session");
    assert.deepEqual([cookie.httpOnly, cookie.sameSite], [true, "Strict"]);
    await page.click(".who button");
    await page.waitForURL("**/log-in");
    await page.goto("/users");
    assert.equal(new URL(page.url()).pathname, "/log-in");
  });

  await t.test("a viewer may not see what takes another role", { errors: NOT_FOUND }, async ({ page }) => {
    await t.logIn(page, "vic");
    assert.equal(await page.locator('.top a[href="/users"]').count(), 0);
    await page.goto("/users");
    assert.match(await page.textContent("main"), /takes the role approver/);
    await t.accessible(page);
  });

  await t.test("a form without its token changes nothing", { errors: NOT_FOUND }, async ({ page }) => {
    await t.logIn(page, "vic");
    await page.evaluate(() => {
      for (const field of document.querySelectorAll('[name="csrf"]')) field.value = "0".repeat(64);
    });
    await page.click(".who button");
    await page.waitForSelector('[role="alert"]');
    assert.match(await page.textContent("main"), /too old/);
    await page.goto("/");
    assert.match(await page.textContent(".who"), /vic/);
  });

  await t.test("another site's form changes nothing", { errors: NOT_FOUND, hosts: [`localhost:${new URL(t.base).port}`] }, async ({ page }) => {
    await t.logIn(page, "vic");
    const token = await page.getAttribute('input[name="csrf"]', "value");
    const port = new URL(t.base).port;
    // The same machine by another name is another site; its document is made here, without a request.
    await page.route("**/*", (route) => {
      if (route.request().url().includes("/evil")) {
        const form = `<form method="post" action="${t.base}/log-out"><input name="csrf" value="${token}"></form>`;
        return route.fulfill({ contentType: "text/html", body: form });
      }
      return route.continue();
    });
    await page.goto(`http://localhost:${port}/evil`).catch(() => {});
    await Promise.all([page.waitForURL(`${t.base}/log-out`), page.evaluate(() => document.forms[0].submit())]);
    await page.unroute("**/*");
    await page.goto("/");
    assert.match(await page.textContent(".who"), /vic/);
  });

  const here = `localhost:${new URL(t.base).port}`;
  await t.test("a link on another site leads in", { errors: NOT_FOUND, hosts: [here] }, async ({ page }) => {
    await t.logIn(page, "ana");
    await page.route("**/elsewhere", (route) => route.fulfill({ contentType: "text/html", body: `<a href="${t.base}/users">x</a>` }));
    await page.goto(`http://${here}/elsewhere`);
    await page.click("a");
    await page.waitForSelector(".who b");
    assert.equal(page.url(), `${t.base}/users`);
    assert.equal(await page.textContent("h1"), "Users");
  });

  await t.test("language and colours are chosen and kept", async ({ page, context }) => {
    await t.logIn(page, "vic");
    await page.click('button[value="ja"]');
    await page.waitForSelector('html[lang="ja"]');
    assert.equal(await page.textContent("h1"), "現在");
    await page.click('button[value="dark"]');
    await page.waitForSelector('html[data-theme="dark"]');
    const paper = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    assert.equal(paper, "rgb(20, 23, 26)");
    await t.accessible(page);
    const other = await context.newPage();
    await other.goto("/");
    assert.equal(await other.getAttribute("html", "lang"), "ja");
  });

  await t.test("what is not there is told in the same layout", { errors: NOT_FOUND }, async ({ page }) => {
    await t.logIn(page, "vic");
    const answer = await page.goto("/nothing/here");
    assert.equal(answer.status(), 404);
    assert.equal(await page.textContent("h1"), "Nothing is here");
    assert.ok((await page.locator(".top nav a").count()) > 5);
    await t.accessible(page);
  });

  await t.test("everything works by keyboard alone", async ({ page }) => {
    await page.goto("/log-in");
    await page.keyboard.type("ana");
    await page.keyboard.press("Tab");
    await page.keyboard.type(t.more.password);
    await page.keyboard.press("Enter");
    await page.waitForURL((url) => url.pathname === "/");
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
    const place = await page.locator(".skip").boundingBox();
    assert.ok(place.y >= 0, "the skip link is seen when it has the focus");
    await page.keyboard.press("Enter");
    assert.equal(await page.evaluate(() => document.activeElement.id), "content");
    await page.goto("/");
    await t.tabTo(page, '.top a[href="/users"]');
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
    assert.equal(outline, "solid");
    await page.keyboard.press("Enter");
    await page.waitForURL("**/users");
    await t.tabTo(page, 'button[value="light"]');
    await page.keyboard.press("Space");
    await page.waitForSelector('html[data-theme="light"]');
    await t.tabTo(page, ".who button");
    await page.keyboard.press("Enter");
    await page.waitForURL("**/log-in");
  });

  for (const width of [360, 768, 1280]) {
    await t.test(`nothing is wider than ${width} pixels`, { viewport: { width, height: 800 } }, async ({ page }) => {
      await t.logIn(page, "ana");
      for (const path of ["/", "/users"]) {
        await page.goto(path);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth);
        assert.ok(wide <= width, `${path} is ${wide} wide`);
      }
    });
  }

  await t.test("times are shown in the viewer's zone", async ({ page }) => {
    await t.logIn(page, "ana");
    await page.goto("/users");
    const time = page.locator("time").first();
    const at = new Date(await time.getAttribute("datetime"));
    const expected = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "medium", timeZone: "Asia/Tokyo" });
    assert.equal(await time.textContent(), expected.format(at));
  });

  await t.test("pages are read without scripts", { javaScriptEnabled: false }, async ({ page }) => {
    await t.logIn(page, "ana");
    await page.goto("/users");
    assert.match(await page.locator("time").first().textContent(), /^\d{4}-\d\d-\d\d \d\d:\d\d UTC$/);
  });
};
