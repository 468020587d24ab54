// The front page: curves, and what the stream says while the page is open.
(() => {
  "use strict";
  const place = document.getElementById("curves");
  if (!place || !window.uPlot) return;
  const labels = JSON.parse(place.dataset.labels);
  const lang = document.documentElement.lang;
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  // Colours are functions of light and dark; a canvas needs what they come to.
  const probe = document.createElement("span");
  place.append(probe);
  const resolved = (name) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
  const faded = (rgb, part) => rgb.replace("rgb(", "rgba(").replace(")", `, ${part})`);
  const plots = [];

  const axes = (value) => {
    const base = { stroke: resolved("--soft"), grid: { stroke: resolved("--faint"), width: 1 }, ticks: { stroke: resolved("--faint") } };
    const time = new Intl.DateTimeFormat(lang, { hour: "2-digit", minute: "2-digit" });
    const second = new Intl.DateTimeFormat(lang, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
    const day = new Intl.DateTimeFormat(lang, { month: "short", day: "numeric" });
    const fit = ({ min, max }) => (max - min > 100_000 ? day : max - min < 600 ? second : time);
    const shown = (plot, splits) => splits.map((at) => fit(plot.scales.x).format(new Date(at * 1000)));
    return [{ ...base, values: shown }, { ...base, values: (_, splits) => splits.map(value), size: 56 }];
  };

  const draw = (id, height, { now, seconds }, scale, series, data, value, bands = []) => {
    const element = document.getElementById(id);
    if (!element) return undefined;
    element.replaceChildren();
    const when = new Intl.DateTimeFormat(lang, { dateStyle: "short", timeStyle: "medium" });
    const options = {
      width: element.clientWidth || 300,
      height,
      cursor: { drag: { x: false, y: false } },
      scales: { x: { range: () => [now - seconds, now] }, y: { range: scale } },
      axes: axes(value),
      bands,
      series: [{ label: labels.at, value: (_, at) => (at ? when.format(new Date(at * 1000)) : "–") }, ...series],
    };
    const plot = new window.uPlot(options, data, element);
    plots.push(plot);
    return plot;
  };

  // One verdict upon the other: each curve is the sum of itself and those below, drawn from the highest down.
  const NAMES = ["--first", "--human", "--warn", "--stop-dry", "--crawler", "--trap"];
  let state;

  // A step in which nobody looked is a gap.
  const columns = () => {
    const { step, seconds, now, rows } = state;
    const times = [];
    const sums = NAMES.map(() => []);
    const raw = NAMES.map(() => []);
    const share = [];
    const from = now - seconds;
    const sorted = [...rows.entries()].sort(([one], [other]) => one - other);
    for (const [at, rates] of sorted) {
      if (at < from) {
        rows.delete(at);
        continue;
      }
      const last = times.at(-1);
      if (last !== undefined && at - last > step * 1.5) {
        times.push(last + step);
        for (const list of [...sums, ...raw, share]) list.push(null);
      }
      times.push(at);
      let sum = 0;
      rates.forEach((rate, number) => {
        sum += rate;
        sums[number].push(sum);
        raw[number].push(rate);
      });
      share.push(sum > 0 ? (100 * (rates[2] + rates[3] + rates[4] + rates[5])) / sum : 0);
    }
    return { times, sums, raw, share };
  };

  const number = new Intl.NumberFormat(lang, { maximumFractionDigits: 1 });
  const percent = (value) => (value === null || value === undefined ? "–" : `${number.format(value)} %`);

  const all = () => {
    while (plots.length) plots.pop().destroy();
    const hours = place.dataset.hours && JSON.parse(place.dataset.hours);
    if (hours) {
      const times = hours.rows.map(([at]) => at);
      const counts = hours.rows.map(([, count]) => count);
      const tint = resolved("--second");
      const bars = { label: labels.samples, stroke: tint, fill: faded(tint, 0.3), paths: window.uPlot.paths.bars({ size: [0.8] }), points: { show: false } };
      draw("hours", 220, hours, (_, __, most) => [0, Math.max(1, most * 1.1)], [bars], [times, counts], (value) => number.format(value));
      return;
    }
    if (state.rows.size === 0) return;
    place.hidden = false;
    const { times, sums, raw, share } = columns();
    // A curve of one point is no line.
    const lone = times.length === 1;
    const order = NAMES.map((_, index) => index).reverse();
    const series = order.map((index) => {
      const tint = resolved(NAMES[index]);
      return {
        label: labels.verdicts[index],
        stroke: tint,
        fill: faded(tint, 0.35),
        width: 1,
        points: { show: lone },
        value: (_, __, ___, at) => (at === null || at === undefined || raw[index][at] === null ? "–" : number.format(raw[index][at])),
      };
    });
    // Filled down to the curve below only, so that colours do not mix.
    const between = order.slice(1).map((_, place) => ({ series: [place + 1, place + 2] }));
    draw("verdicts", 260, state, (_, __, most) => [0, Math.max(1, most * 1.1)], series, [times, ...order.map((index) => sums[index])], (value) => number.format(value), between);
    const tint = resolved("--second");
    const curve = { label: labels.share, stroke: tint, fill: faded(tint, 0.2), width: 1.5, points: { show: lone }, value: (_, value) => percent(value) };
    draw("share", 160, state, () => [0, 100], [curve], [times, share], percent);
  };

  const take = (text) => {
    const { step, seconds, now, rows } = JSON.parse(text);
    state ??= { rows: new Map() };
    Object.assign(state, { step, seconds, now });
    for (const [at, ...rates] of rows) state.rows.set(at, rates);
  };

  if (place.dataset.series) take(place.dataset.series);
  all();
  window.addEventListener("resize", () => {
    for (const plot of plots) plot.setSize({ width: plot.root.parentElement.clientWidth, height: plot.height });
  });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", all);

  const chip = document.getElementById("live");
  if (!place.dataset.events || !chip) return;
  const says = (name) => {
    chip.hidden = false;
    if (chip.textContent !== chip.dataset[name]) chip.textContent = chip.dataset[name];
    chip.className = `chip ${name === "live" ? "good" : "warn"}`;
  };
  const told = (event) => {
    const { html, rows } = JSON.parse(event.data);
    const figures = document.getElementById("figures");
    // Made by the daemon's templates, which escape; the policy lets no script in it run.
    figures.innerHTML = html;
    document.dispatchEvent(new CustomEvent("htmx:load", { detail: { elt: figures } }));
    take(rows);
    all();
    document.documentElement.dataset.told = Number(document.documentElement.dataset.told ?? 0) + 1;
  };
  // A browser comes back by itself when a connection breaks, and never after an answer other than 200: then we do, in
  // milliseconds from the first to the longest pause.
  const FIRST = 1_000;
  const LONGEST = 60_000;
  let pause = FIRST;
  const follow = () => {
    const stream = new EventSource(place.dataset.events);
    stream.addEventListener("open", () => says("live"));
    stream.addEventListener("now", (event) => {
      pause = FIRST;
      told(event);
    });
    stream.addEventListener("error", () => {
      says("stale");
      if (stream.readyState !== EventSource.CLOSED) return;
      // By chance a little sooner: pages that were refused together do not come back together.
      setTimeout(follow, pause * (1 - Math.random() / 2));
      pause = Math.min(2 * pause, LONGEST);
    });
  };
  follow();
})();
