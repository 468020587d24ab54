// What every page does: times in the viewer's zone, buttons that say that something takes its time, and htmx's answers
// made known to those who do not see them. Pages work without it.
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
    // What was done is said once, not again to whoever reloads or keeps the address.
    const address = new URL(location.href);
    if (address.searchParams.has("done")) {
      address.searchParams.delete("done");
      history.replaceState(history.state, "", address);
    }
    times(document);
    pictured(document);
  });
  document.addEventListener("htmx:load", (event) => {
    times(event.detail.elt);
    pictured(event.detail.elt);
  });

  // What was not chosen is not in the address.
  document.addEventListener("htmx:configRequest", ({ detail }) => {
    for (const [name, value] of [...detail.formData]) {
      if (value === "") detail.formData.delete(name);
    }
  });
  // Asked for twice, a page is one step of the way back.
  document.addEventListener("htmx:beforeHistoryUpdate", ({ detail }) => {
    if (detail.history.path === `${location.pathname}${location.search}`) detail.history.type = "replace";
  });
  document.addEventListener("htmx:beforeRequest", ({ detail }) => detail.target?.setAttribute("aria-busy", "true"));
  document.addEventListener("htmx:afterRequest", ({ detail }) => detail.target?.removeAttribute("aria-busy"));
  // Whoever pressed a link that is gone goes on from what came instead.
  document.addEventListener("htmx:afterSettle", ({ detail }) => {
    const found = detail.target?.id && document.getElementById(detail.target.id);
    if (found && document.activeElement === document.body) found.focus({ preventScroll: true });
  });

  // A button whose form takes its time says so until the next page is there.
  document.addEventListener("submit", ({ target: form, submitter: button, defaultPrevented }) => {
    if (defaultPrevented || !button?.dataset.busy) return;
    // Behind the form: a button that was disabled before would not be sent with it.
    setTimeout(() => {
      button.dataset.idle = button.textContent;
      button.textContent = button.dataset.busy;
      button.disabled = true;
      const status = form.querySelector('[role="status"]');
      if (status) status.textContent = button.dataset.busy;
    });
  });
  // A page that comes back as it was left works on nothing.
  window.addEventListener("pageshow", ({ persisted }) => {
    if (!persisted) return;
    for (const button of document.querySelectorAll("button[data-idle]")) {
      button.textContent = button.dataset.idle;
      button.disabled = false;
    }
  });
})();
