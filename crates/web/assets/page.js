// Makes the upload form nicer (drop or paste a photo, see it before it is sent) and folds the filters away where there is
// little room. Everything works without this file.
"use strict";
document.documentElement.classList.add("script");

const form = document.querySelector("form.upload");
if (form) {
  const input = form.querySelector("#photo");
  const drop = form.querySelector("#drop");
  const preview = form.querySelector("#preview");
  const status = form.querySelector("#status");
  const button = form.querySelector("#find");
  const cap = Number(form.dataset.maxMib) * 1024 * 1024;

  // What can be said of a file before it is sent. A browser that does not know a file's type leaves it empty.
  const refusal = (file) => {
    if (!file.size) return "This file is empty. Please choose another photo.";
    if (file.type && !file.type.startsWith("image/")) return "This file is not a photo. Please choose one that is.";
    if (file.size > cap) return `This photo is larger than ${form.dataset.maxMib} MB.`;
    return "";
  };
  const show = () => {
    if (preview.src) URL.revokeObjectURL(preview.src);
    const file = input.files[0];
    const refused = file ? refusal(file) : "";
    input.setCustomValidity(refused);
    status.textContent = refused;
    preview.hidden = !file || refused !== "";
    drop.classList.toggle("filled", !preview.hidden);
    if (!preview.hidden) {
      preview.src = URL.createObjectURL(file);
      preview.alt = `Preview of ${file.name}`;
    }
  };
  const take = (files) => {
    if (!files.length) return;
    input.files = files;
    show();
    button.focus();
  };

  input.addEventListener("change", show);
  preview.addEventListener("error", () => { preview.hidden = true; drop.classList.remove("filled"); });
  // A photo that misses the box would replace the page in most browsers.
  for (const type of ["dragover", "drop"]) window.addEventListener(type, (event) => event.preventDefault());
  for (const type of ["dragenter", "dragover"]) drop.addEventListener(type, () => drop.classList.add("over"));
  for (const type of ["dragleave", "drop"]) drop.addEventListener(type, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => take(event.dataTransfer.files));
  window.addEventListener("paste", (event) => take(event.clipboardData.files));
  form.addEventListener("submit", () => {
    status.textContent = "Looking for twins…";
    form.classList.add("busy");
  });
  // Back from the results, the form is as it was left, but not busy.
  window.addEventListener("pageshow", () => {
    form.classList.remove("busy");
    status.textContent = "";
    show();
  });
}

const filters = document.querySelector("#filter-box");
if (filters) {
  const wide = window.matchMedia("(min-width: 860px)");
  const inUse = /[?&](max_price|min_rating|type|condition|colour|hide_sold_out)=[^&]/.test(location.search);
  const fold = () => { filters.open = wide.matches || inUse; };
  wide.addEventListener("change", fold);
  fold();
}
