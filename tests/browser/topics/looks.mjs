// Pages look as they did, at three widths. References are a quarter as large, so that the hinting of letters does not
// matter; LOOKS=write makes them anew. `more`: {paths: {name: path}, folder}.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";

const WIDTHS = [390, 820, 1440];
const HEIGHT = 1100;
const SCALE = 4;
// A dot differs from here on, of 255; other fonts and versions of Chromium move letters by less than a dot.
const APART = 48;
// Share of dots that may.
const MOST = 0.03;

// Runs in a page: the picture a quarter as large, and how many dots differ from the reference.
const compare = async ([now, before, scale, apart]) => {
  const read = async (base64, scale) => {
    const image = new Image();
    image.src = `data:image/png;base64,${base64}`;
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(image.width / scale);
    canvas.height = Math.round(image.height / scale);
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(image, 0, 0, canvas.width, canvas.height);
    return { canvas, data: context.getImageData(0, 0, canvas.width, canvas.height).data };
  };
  const small = await read(now, scale);
  const png = small.canvas.toDataURL("image/png").split(",")[1];
  if (before === null) return { png, share: 0, size: null };
  const old = await read(before, 1);
  const size = [small.canvas.width - old.canvas.width, small.canvas.height - old.canvas.height];
  let count = 0;
  for (let dot = 0; dot < Math.min(small.data.length, old.data.length); dot += 4) {
    const differs = [0, 1, 2].some((part) => Math.abs(small.data[dot + part] - old.data[dot + part]) > apart);
    if (differs) count += 1;
  }
  return { png, share: (count * 4) / small.data.length, size };
};

export default async (t) => {
  const { assert } = t;
  mkdirSync(t.more.folder, { recursive: true });
  for (const width of WIDTHS) {
    for (const [name, path] of Object.entries(t.more.paths)) {
      await t.test(`${name}, ${width} wide`, { viewport: { width, height: HEIGHT } }, async ({ page, context }) => {
        await t.logIn(page, "vic");
        await page.goto(path);
        await page.evaluate(() => document.fonts.ready);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth);
        assert.ok(wide <= width, `${path} is ${wide} wide`);
        const shot = (await page.screenshot({ animations: "disabled", caret: "hide" })).toString("base64");
        const file = `${t.more.folder}/${name}-${width}.png`;
        const before = existsSync(file) && process.env.LOOKS !== "write" ? readFileSync(file).toString("base64") : null;
        const blank = await context.newPage();
        const { png, share, size } = await blank.evaluate(compare, [shot, before, SCALE, APART]);
        if (process.env.LOOKS === "write") {
          writeFileSync(file, Buffer.from(png, "base64"));
          return;
        }
        assert.notEqual(before, null, `${file} is missing: LOOKS=write makes it`);
        if (share > MOST) writeFileSync(`${t.more.failed}/${name}-${width}.png`, Buffer.from(png, "base64"));
        assert.deepEqual(size, [0, 0]);
        assert.ok(share <= MOST, `${(share * 100).toFixed(1)} % of ${file} differ; what is there now is in ${t.more.failed}`);
      });
    }
  }
};
