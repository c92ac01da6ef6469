"use strict";
const find = document.getElementById("find");
find.hidden = false;
find.addEventListener("input", () => {
  const wanted = find.value.trim().toLowerCase();
  for (const operation of document.querySelectorAll("details")) {
    const words = operation.querySelector("summary").textContent.toLowerCase();
    operation.hidden = !words.includes(wanted);
  }
});
const open = () => {
  const operation = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (operation instanceof HTMLDetailsElement) operation.open = true;
};
addEventListener("hashchange", open);
open();
