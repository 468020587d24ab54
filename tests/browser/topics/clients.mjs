// Clients of a real nginx: found, explained, labelled, banned, lifted, allowed. `more`: {nginx, person, crawler}.
const PATIENCE = 20_000;

export default async (t) => {
  const { assert } = t;
  const { nginx, person, crawler } = t.more;

  // A request to nginx as this client; its status.
  const visit = async (client, path = "/page.html") => (await fetch(`${nginx}${path}`, { headers: { "X-Real-IP": client, Connection: "close" } })).status;

  // Looks again until it is so: what nginx writes is read within seconds.
  const until = async (what, look) => {
    const end = Date.now() + PATIENCE;
    for (;;) {
      const found = await look();
      if (found) return found;
      if (Date.now() > end) assert.fail(`not within ${PATIENCE} ms: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  };

  // The page of a client, found by its address.
  const open = async (page, client) => {
    await until(`${client} is listed`, async () => {
      await page.goto(`/clients?q=${client}`);
      return page.locator("tbody tr", { has: page.getByText(client, { exact: true }) }).count();
    });
    await page.getByRole("link", { name: client, exact: true }).click();
    await page.waitForURL("**/clients/*");
  };
  // A button, reached and pressed without a mouse; the page that it leads to is there.
  const press = async (page, selector) => {
    await t.tabTo(page, selector);
    await Promise.all([page.waitForEvent("load"), page.keyboard.press("Enter")]);
  };
  const done = (page) => page.locator("#done").textContent();

  await t.test("a client is found by keyboard and explained", async ({ page }) => {
    await t.logIn(page, "vic");
    await open(page, crawler);
    assert.match(await page.locator(".headline").textContent(), /score/);
    assert.ok((await page.locator("details tbody tr").count()) > 3, "evidence");
    assert.ok((await page.locator(".pic").count()) >= 4, "pictures");
    assert.equal(await page.locator("table.beside tbody tr").count(), 29);
    await t.accessible(page);
    await page.goto("/clients");
    await t.accessible(page);
    await t.tabTo(page, 'input[name="q"]');
    await page.keyboard.type(crawler);
    await page.keyboard.press("Enter");
    await page.waitForURL(/q=/);
    await t.tabTo(page, "tbody th a");
    await page.keyboard.press("Enter");
    await page.waitForURL("**/clients/*");
  });

  await t.test("a viewer has no button, and may not act without one", { errors: /403/ }, async ({ page }) => {
    await t.logIn(page, "vic");
    await open(page, person);
    assert.equal(await page.locator("main form").count(), 0);
    const status = await page.evaluate(async () => {
      const body = new URLSearchParams({ csrf: document.querySelector('input[name="csrf"]').value, class: "crawler", note: "" });
      return (await fetch(`${location.pathname}/label`, { method: "POST", body })).status;
    });
    assert.equal(status, 403);
  });

  await t.test("a label is kept with who gave it, by keyboard", async ({ page }) => {
    await t.logIn(page, "olga");
    await open(page, person);
    await t.accessible(page);
    await t.tabTo(page, "#label-note");
    await page.keyboard.type("rang <b>us</b> up");
    await press(page, 'button[value="human"]');
    assert.match(await done(page), /label is kept/);
    const row = page.locator("section", { has: page.locator("#labels") }).locator("tbody tr").first();
    assert.match(await row.textContent(), /human.*operator.*olga.*rang <b>us<\/b> up/s);
    await page.goto("/clients?label=human");
    assert.equal(await page.locator("tbody tr").count(), 1);
  });

  await t.test("a ban stops the next request, and lifting it lets the next one pass, by keyboard", async ({ page }) => {
    await t.logIn(page, "olga");
    assert.equal(await visit(person), 200);
    await open(page, person);
    await t.tabTo(page, "#ban-seconds");
    await page.keyboard.press("ArrowDown");
    assert.equal(await page.inputValue("#ban-seconds"), "3600");
    await t.tabTo(page, "#ban-note");
    await page.keyboard.type("a test");
    await press(page, "button.danger");
    assert.match(await done(page), /banned/);
    assert.equal(await visit(person), 403);
    const row = page.locator("section", { has: page.locator("#decisions") }).locator("tbody tr").first();
    assert.match(await row.textContent(), /shop.*operator: olga.*a test.*in force/s);
    await press(page, 'form[action$="/lift"] button');
    assert.match(await done(page), /lifted/);
    assert.equal(await visit(person), 200);
    assert.match(await row.textContent(), /lifted/);
    assert.equal(await page.locator('form[action$="/lift"]').count(), 0);
  });

  await t.test("who is allowed passes whatever it does, until it is allowed no longer", async ({ page }) => {
    await t.logIn(page, "olga");
    assert.equal(await visit(crawler), 403, "it is banned by its score");
    await open(page, crawler);
    await press(page, 'button[formaction$="/allow"]');
    assert.match(await done(page), /allowed/);
    await until("nginx has read the list", async () => (await visit(crawler)) === 200);
    await page.click('form[action$="/disallow"] button');
    assert.match(await done(page), /no longer/);
    await until("nginx has read the list again", async () => (await visit(crawler)) === 403);
  });

  await t.test("a block page's reference leads to the client and why", async ({ page }) => {
    await t.logIn(page, "vic");
    await open(page, crawler);
    const reference = await page.locator('main a[href^="/look-up?id="]').first().textContent();
    await page.goto("/look-up");
    await t.accessible(page);
    await page.fill('input[name="id"]', ` ${reference.slice(0, 4)} ${reference.slice(4)} `);
    await page.click("main button.main");
    assert.match(await page.locator("section.card").textContent(), new RegExp(crawler.replaceAll(".", "\\.")));
    assert.ok((await page.locator("details tbody tr").count()) > 3);
    await t.accessible(page);
    await page.goto("/look-up?id=ffffffffffffffff");
    assert.match(await page.locator(".empty").textContent(), /samples are kept for/);
  });

  await t.test("typing finds, filters and sorts without another page, and back goes back", async ({ page }) => {
    await t.logIn(page, "vic");
    await page.goto("/clients");
    const rows = page.locator("#found tbody tr");
    const all = await rows.count();
    assert.ok(all >= 2, `${all} clients`);
    // A page that was loaded anew would have forgotten this.
    await page.evaluate(() => (window.stayed = "yes"));
    const stayed = () => page.evaluate(() => window.stayed);
    await page.fill('input[name="q"]', crawler.slice(0, -2));
    await page.waitForFunction((all) => document.querySelectorAll("#found tbody tr").length < all, all);
    await page.waitForURL(/\/clients\?q=[0-9.]+$/);
    assert.equal(await stayed(), "yes");
    assert.match(await page.textContent("#found tbody"), new RegExp(crawler.replaceAll(".", "\\.")));
    assert.match(await page.textContent("#told"), /begin with/);
    assert.match(await page.textContent("#order"), /Sorted by zone and name/);
    assert.equal(await page.locator("#order-by").count(), 0, "no order is offered");
    assert.equal(await page.evaluate(() => document.activeElement.name), "q");
    assert.equal(await page.locator("#found[aria-busy]").count(), 0);
    await t.accessible(page);
    await page.selectOption('select[name="worst"]', "ALLOWED");
    await page.waitForURL(/q=[0-9.]+&worst=ALLOWED$/);
    await page.waitForSelector("#found .empty");
    assert.equal(await stayed(), "yes");
    await page.goBack();
    await page.waitForURL(/\/clients\?q=[0-9.]+$/);
    await page.waitForSelector("#found tbody tr");
    assert.equal(await page.inputValue('select[name="worst"]'), "");
    assert.equal(await page.inputValue('input[name="q"]'), crawler.slice(0, -2));
    await page.goBack();
    await page.waitForFunction((all) => document.querySelectorAll("#found tbody tr").length === all, all);
    assert.equal(await page.inputValue('input[name="q"]'), "");
    await page.focus("#order-by");
    await page.selectOption("#order-by", "requests");
    await page.waitForURL(/\/clients\?order=requests$/);
    await page.waitForFunction(() => document.activeElement.id === "order-by");
  });

  await t.test("what takes its time says so, and what fails is told where it was awaited", { errors: /503/ }, async ({ page }) => {
    await t.logIn(page, "vic");
    await page.goto("/clients");
    const indicator = page.locator("#working");
    assert.equal(await indicator.isVisible(), false);
    let answer;
    const held = new Promise((resolve) => (answer = resolve));
    await page.route("**/clients?q=*", async (route) => {
      await held;
      const body = '<p class="fault" role="alert">Busy.</p>';
      await route.fulfill({ status: 503, contentType: "text/html", body });
    });
    await page.fill('input[name="q"]', "192.0.2.");
    await indicator.waitFor({ state: "visible" });
    assert.equal(await page.getAttribute("#found", "aria-busy"), "true");
    answer();
    await page.waitForSelector("#found > .fault");
    await indicator.waitFor({ state: "hidden" });
    await page.unroute("**/clients?q=*");
    await page.fill('input[name="q"]', crawler);
    await page.waitForSelector("#found tbody tr");
  });

  await t.test("groups change their time without another page", async ({ page }) => {
    await t.logIn(page, "vic");
    await page.goto("/groups");
    await page.evaluate(() => (window.stayed = "yes"));
    assert.match(await page.textContent("#found"), /what it did before is among them/);
    await page.selectOption('select[name="range"]', "all");
    await page.waitForURL(/range=all$/);
    await page.waitForFunction(() => !/what it did before/.test(document.querySelector("#found").textContent));
    assert.equal(await page.evaluate(() => window.stayed), "yes");
    await t.accessible(page);
  });

  await t.test("groups lead to their clients", async ({ page }) => {
    await t.logIn(page, "vic");
    await page.goto("/groups");
    await t.accessible(page);
    assert.ok((await page.locator(".treemap rect").count()) >= 2);
    await page.locator(".treemap a").first().click();
    await page.waitForURL(/clients\?network=/);
    assert.ok((await page.locator("tbody tr").count()) >= 1);
  });

  await t.test("a report is made and shown in the layout", async ({ page }) => {
    await t.logIn(page, "olga");
    await page.goto("/reports");
    await t.accessible(page);
    await page.fill('input[name="from"]', "1d");
    // What the button says while its form is on the way is gone with its page.
    await page.evaluate(() => {
      const button = document.querySelector("main button.main");
      const note = () => sessionStorage.setItem("said", `${button.disabled} ${button.textContent}`);
      new MutationObserver(note).observe(button, { attributes: true, childList: true });
    });
    await page.route("**/reports", (route) => route.continue());
    await page.click("main button.main");
    await page.waitForSelector("#made");
    assert.equal(await page.evaluate(() => sessionStorage.getItem("said")), "true Asking for it ...");
    await page.getByRole("link", { name: "Open" }).waitFor({ timeout: PATIENCE });
    assert.match(await page.textContent("#state"), /ready/);
    await page.getByRole("link", { name: "Open" }).click();
    assert.match(await page.locator(".report").textContent(), /Clusters of like clients/);
    await page.goto("/explanations");
    await t.accessible(page);
    assert.match(await page.locator(".empty").textContent(), /Nothing was explained/);
  });

  await t.test("what an operator says of an explanation is kept, and labels the client", async ({ page }) => {
    await t.logIn(page, "olga");
    await open(page, crawler);
    await page.fill("#said-note", "reads <b>all</b>");
    const kind = await page.locator("#said-kind option").nth(1).getAttribute("value");
    await page.selectOption("#said-kind", kind);
    await page.click('button[value="wrong_category"]');
    assert.match(await done(page), /Your word is kept/);
    const row = page.locator("section", { has: page.locator("#labels") }).locator("tbody tr").first();
    assert.match(await row.textContent(), /crawler.*operator.*olga/s);
    await page.goto("/explanations");
    assert.ok((await page.locator("main tbody tr").count()) >= 1, "it stands on a kept explanation");
  });

  await t.test("everything is there in Japanese", { locale: "ja-JP" }, async ({ page }) => {
    await t.logIn(page, "vic");
    await open(page, crawler);
    for (const path of [new URL(page.url()).pathname, "/clients", "/groups", "/look-up", "/explanations", "/reports"]) {
      await page.goto(path);
      assert.equal(await page.getAttribute("html", "lang"), "ja");
      assert.match(await page.locator("main").textContent(), /[ぁ-ん]/);
    }
  });
};
