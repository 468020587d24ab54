"use strict";
// The basket lives in the page's session only; nothing is sent.
const basket = new Set(JSON.parse(sessionStorage.getItem("basket") || "[]"));
for (const button of document.querySelectorAll("[data-basket]")) {
  button.addEventListener("click", () => {
    basket.add(button.dataset.basket);
    sessionStorage.setItem("basket", JSON.stringify([...basket]));
    const said = basket.size === 1 ? "One thing" : `${basket.size} things`;
    document.querySelector(".basket").textContent = `${said} in your basket.`;
  });
}
for (const place of document.querySelectorAll("[data-host]")) place.textContent = location.host;
