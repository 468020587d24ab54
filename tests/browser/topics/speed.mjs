// How long Chromium takes to paint pages: lines `# painted PATH MILLISECONDS`, the median of some times.
const TIMES = 5;

export default async (t) => {
  await t.test("pages are painted", { viewport: { width: 1280, height: 800 } }, async ({ page }) => {
    for (const path of t.more.paths) {
      const painted = [];
      for (let turn = 0; turn < TIMES; turn += 1) {
        await page.goto(path, { waitUntil: "load" });
        const at = await page.evaluate(
          () =>
            new Promise((resolve) => {
              const told = () => performance.getEntriesByName("first-contentful-paint")[0]?.startTime;
              // The paint that shows everything is the one after the load.
              requestAnimationFrame(() => requestAnimationFrame(() => resolve(Math.max(told() ?? 0, performance.now()))));
            }),
        );
        painted.push(at);
      }
      painted.sort((one, other) => one - other);
      console.log(`# painted ${path} ${Math.round(painted[Math.floor(TIMES / 2)])}`);
    }
  });
};
