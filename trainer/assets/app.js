// What every page does: times in the viewer's zone, the token of forms for htmx, and htmx's answers made known to
// screen readers. Pages work without it.
(() => {
  "use strict";
  const lang = document.documentElement.lang || "en";
  const format = new Intl.DateTimeFormat(lang, { dateStyle: "medium", timeStyle: "medium" });

  const times = (root) => {
    for (const element of root.querySelectorAll("time[datetime]")) {
      const at = new Date(element.dateTime);
      if (Number.isNaN(at.getTime()) || element.dataset.shown) continue;
      element.title = element.textContent;
      element.textContent = format.format(at);
      element.dataset.shown = "yes";
    }
  };

  // Times in pictures, where there is room for few letters.
  const short = new Intl.DateTimeFormat(lang, { month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit" });
  const pictured = (root) => {
    for (const element of root.querySelectorAll("svg text[data-at]")) {
      element.textContent = short.format(new Date(element.dataset.at * 1000));
    }
  };

  document.addEventListener("DOMContentLoaded", () => {
    times(document);
    pictured(document);
  });
  document.addEventListener("htmx:load", (event) => times(event.detail.elt));
  document.addEventListener("htmx:configRequest", (event) => {
    event.detail.headers["X-CSRF-Token"] = document.body.dataset.csrf;
  });
})();
