"use strict";
const form = document.querySelector(".filters");
if (form) {
  const photos = [...document.querySelectorAll(".photo")];
  const dialog = document.querySelector("dialog");
  const visible = () => photos.filter((photo) => !photo.hidden);
  let opened = null;

  function filter() {
    const kind = form.elements.kind ? form.elements.kind.value : "all";
    const text = form.querySelector("[type=search]").value.trim().toLowerCase();
    const sure = Number(form.querySelector("[type=number]").value);
    for (const photo of photos) {
      const { kinds, text: own, sure: confidence } = photo.dataset;
      photo.hidden = !(kinds.split(" ").includes(kind) && own.toLowerCase().includes(text) && confidence >= sure);
    }
    const count = visible().length;
    form.querySelector("output").textContent = count + (count === 1 ? " photo" : " photos");
  }

  function button(label, action) {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = label;
    made.addEventListener("click", action);
    return made;
  }

  function open(photo) {
    opened = photo;
    const details = photo.querySelector("dl").cloneNode(true);
    details.hidden = false;
    dialog.className = photo.className.replace("photo", "");
    dialog.replaceChildren(
      photo.querySelector("svg").cloneNode(true), details,
      button("Previous", () => step(-1)), " ", button("Next", () => step(1)), " ", button("Close", () => dialog.close()),
    );
    if (!dialog.open) dialog.showModal();
  }

  function step(by) {
    const shown = visible();
    const next = shown[shown.indexOf(opened ?? document.activeElement) + by];
    if (!next) return;
    if (dialog.open) open(next);
    next.focus();
  }

  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  for (const photo of photos) photo.addEventListener("click", () => open(photo));
  dialog.addEventListener("close", () => { opened?.focus(); opened = null; });
  document.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (by && (dialog.open || photos.includes(document.activeElement))) { event.preventDefault(); step(by); }
  });
  filter();
}
