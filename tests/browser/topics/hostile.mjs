// Texts of attackers in every place that a client's text reaches: nothing of them runs, nothing is asked of others,
// nothing turns or hides what stands beside it. `more`: {corpus: [text]}.
const HIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/;
const ERRORS = /40[04]|414/;

export default async (t) => {
  const { assert } = t;

  // What a page must not have, whatever stands in it.
  const harmless = async (page) => {
    const found = await page.evaluate(() => ({
      marked: window.marked ?? null,
      scripts: [...document.scripts].filter((script) => !script.src.startsWith(`${location.origin}/assets/`)).length,
      handlers: [...document.querySelectorAll("*")].filter((element) => [...element.attributes].some(({ name }) => name.startsWith("on"))).length,
      strangers: document.querySelectorAll("main :is(iframe, object, embed, base, meta, foreignObject, animate, set, math, form[action*='evil'])").length,
      links: [...document.querySelectorAll("a[href]")].filter(({ href }) => !(href.baseVal ?? href).startsWith("/") && !(href.baseVal ?? href).startsWith(location.origin)).map(({ href }) => href.baseVal ?? href),
      pictures: [...document.images].filter(({ src }) => !src.startsWith(location.origin)).length,
      text: document.body.textContent,
      hidden: [...document.querySelectorAll("[title], title, desc")].map((element) => element.getAttribute("title") ?? element.textContent).join(" "),
    }));
    const { text, hidden, ...rest } = found;
    assert.deepEqual(rest, { marked: null, scripts: 0, handlers: 0, strangers: 0, links: [], pictures: 0 }, page.url());
    const bad = HIDDEN.exec(text + hidden);
    assert.equal(bad, null, `${page.url()} has U+${bad?.[0].codePointAt(0).toString(16)} after ${JSON.stringify((text + hidden).slice(bad?.index - 40, bad?.index))}`);
    assert.doesNotMatch(text, /\b49\b.{0,3}template/, "nothing is computed");
  };

  await t.test("lists and every client", { errors: /403/ }, async ({ page }) => {
    await t.logIn(page, "olga");
    await page.goto("/clients");
    await harmless(page);
    const paths = await page.locator("tbody th a").evaluateAll((links) => links.map((link) => link.getAttribute("href")));
    assert.ok(paths.length >= 20, `${paths.length} clients`);
    assert.match(await page.locator("tbody").textContent(), /<script>window\.marked/, "the texts are there");
    for (const path of paths) {
      await page.goto(path);
      await harmless(page);
      assert.equal(await page.locator("h1").count(), 1);
    }
    for (const path of ["/", "/?span=week", "/groups", "/groups?range=all", "/explanations", "/reports", "/models", "/audit", "/users", "/language-models"]) {
      await page.goto(path);
      await harmless(page);
    }
  });

  await t.test("every text as what is looked for", { errors: ERRORS }, async ({ page }) => {
    await t.logIn(page, "vic");
    for (const text of t.more.corpus) {
      const value = encodeURIComponent(text);
      for (const path of [`/clients?q=${value}`, `/clients?zone=${value}`, `/clients?network=${value}&after=${value}`, `/look-up?id=${value}`, `/groups?zone=${value}&range=${value}`, `/clients/1?done=${value}`, `/explanations/${value}`, `/?zone=${value}`, `/?span=${value}`, `/models/kept/${value}`, `/models/runs/${value}`, `/audit?before=${value}`, `/log-in?next=${value}`]) {
        await page.goto(path);
        await harmless(page);
      }
    }
  });

  await t.test("an nginx that says anything", async ({ page }) => {
    await t.logIn(page, "olga");
    for (const zone of t.more.zones) {
      await page.goto(`/?zone=${encodeURIComponent(zone)}`);
      await harmless(page);
      assert.match(await page.textContent("main"), /<script>window\.marked/, "the texts are there");
    }
  });

  await t.test("a report and an explanation", async ({ page }) => {
    await t.logIn(page, "olga");
    await page.goto("/reports");
    await page.fill('input[name="from"]', "30d");
    await page.click("main button.main");
    const end = Date.now() + 20_000;
    while ((await page.getByRole("link", { name: "Open" }).count()) === 0) {
      assert.ok(Date.now() < end, "the report is ready");
      await page.goto("/reports");
    }
    await page.getByRole("link", { name: "Open" }).click();
    await harmless(page);
    await page.goto("/explanations");
    await harmless(page);
    await page.locator("tbody a").first().click();
    await page.waitForURL("**/explanations/*");
    await harmless(page);
    assert.ok((await page.locator("details tbody tr").count()) > 3);
  });

  await t.test("no cell of the table for spreadsheets is a formula", async ({ page }) => {
    await t.logIn(page, "vic");
    const answer = await page.request.get("/clients.csv");
    assert.match(answer.headers()["content-disposition"], /attachment/);
    const text = await answer.text();
    assert.match(text, /'=HYPERLINK/);
    // Fields, quoted or not.
    const fields = [...text.matchAll(/(?:^|,|\n)(?:"((?:[^"]|"")*)"|([^,\n]*))/g)].map(([, quoted, plain]) => quoted ?? plain);
    assert.ok(fields.length > 100);
    assert.deepEqual(fields.filter((field) => /^[=+\-@\t\r\n＝＋－＠]/.test(field)), []);
    // Where semicolons or tabs separate columns, quotes for commas hold nothing together.
    const split = text.split(/[;\t\r\n]/);
    assert.ok(split.some((cell) => cell.startsWith("'=HYPERLINK")));
    assert.deepEqual(split.filter((cell) => /^[\s"]*[=+\-@＝＋－＠]/.test(cell)), []);
    assert.equal(HIDDEN.exec(text), null, "hidden characters are shown");
  });
};
